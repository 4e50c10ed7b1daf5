"""The plots of an evaluation: a heat map of languages by systems, and perplexities side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from model.languages import LANGUAGES
from training.evaluation.figures import Rate
from training.evaluation.result import TITLES, Result
from training.plots import (
    WIDTH,
    between,
    cells,
    legend_above,
    look,
    new_figure,
    rows_height,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Cells: TypeAlias = Sequence[Sequence[float | None]]

_MEASURES = {
    "in_language": "in the language",
    "tag_recall": "tag where due",
    "tag_absence": "none where not",
    "no_loop": "no loop",
}


_SHORT = {"reference": "reference", "bare": "bare", "base": "base", "tuned": "new", "compared": "other"}
"""What the systems are called where there is little room."""


def language_heat_map(result: Result, *, dark: bool | None = None, upright: bool = False) -> Figure:
    """A block of rows a measure, a row a system, a column a language; from red (0 %) to blue (100 %).

    `upright` has the languages in rows, for a phone. `dark` as in `training.plots.style`.
    """
    systems = list(result.judgements)
    codes = list(next(iter(result.judgements.values())).languages)
    values = [
        [_per_cent(result, system, code, name) for code in codes] for name in _MEASURES for system in systems
    ]
    with style(dark=dark):
        return (_upright if upright else _wide)(values, systems, codes)


def _per_cent(result: Result, system: str, code: str, name: str) -> float | None:
    figures = result.judgements[system].languages.get(code)
    rate: Rate | None = getattr(figures, name) if figures else None
    return None if rate is None else 100 * rate.value


def _wide(values: _Cells, systems: Sequence[str], codes: Sequence[str]) -> Figure:
    labels = [f"{said} · {TITLES[system]}" for said in _MEASURES.values() for system in systems]
    width, height = min(max(0.33 * len(codes), 2.5) + 4, 17), 0.28 * len(labels) + 1.2
    figure, axes = new_figure(width, height, "By language, in per cent")
    _shades(axes, values)
    axes.set_xticks(range(len(codes)), codes)
    axes.set_yticks(range(len(labels)), labels)
    for edge in range(len(systems), len(labels), len(systems)):
        axes.axhline(edge - 0.5, color=look().ground, linewidth=4)
    return figure


def _upright(values: _Cells, systems: Sequence[str], codes: Sequence[str]) -> Figure:
    columns = len(values)
    figure, axes = new_figure(
        max(0.33 * columns + 1.4, 4.4), rows_height(len(codes)) + 1, "By language, in per cent"
    )
    _shades(axes, [list(line) for line in zip(*values, strict=True)])
    axes.set_yticks(range(len(codes)), [LANGUAGES[code].english_name for code in codes])
    axes.xaxis.tick_top()
    axes.set_xticks(range(columns), [_SHORT[system] for _ in _MEASURES for system in systems], rotation=90)
    below = axes.secondary_xaxis("bottom")
    middles = [(place + 0.5) * len(systems) - 0.5 for place in range(len(_MEASURES))]
    below.set_xticks(middles, [said.replace(" ", "\n") for said in _MEASURES.values()])
    below.tick_params(length=0)
    below.spines["bottom"].set_visible(False)
    for edge in range(len(systems), columns, len(systems)):
        axes.axvline(edge - 0.5, color=look().ground, linewidth=4)
    return figure


def _shades(axes: Axes, values: _Cells) -> None:
    palette = look()
    cells(axes, values, between(palette.bad, palette.middle, palette.good), 100)


@style()
def perplexities(result: Result) -> Figure:
    """A point a system and language, on a logarithmic scale; languages in rows."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    codes = list(next(iter(result.held_out.values())))
    figure, axes = new_figure(WIDTH, rows_height(len(codes)), "Perplexity of the reference answers")
    places = {code: place for place, code in enumerate(codes)}
    for colour, (system, languages) in zip(look().series, result.held_out.items(), strict=False):
        known = [code for code in codes if code in languages]
        found = [languages[code].perplexity for code in known]
        axes.plot(
            found, [places[code] for code in known], "o", color=colour, label=TITLES[system], markersize=5.5
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(codes)), [LANGUAGES[code].english_name for code in codes])
    axes.set_ylim(len(codes) - 0.4, -0.6)
    axes.grid(axis="both")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("perplexity (less is better)")
    legend_above(axes, 2)
    return figure

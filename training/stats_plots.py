"""The dataset's numbers as plots."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from model.languages import LANGUAGES
from training.chats import TASKS
from training.plots import (
    SMALL,
    WIDTH,
    heat_map,
    legend_above,
    look,
    new_figure,
    number_beside,
    rows_height,
    save_both,
    stacked_bars,
    style,
)
from training.split import SPLITS
from training.stats import Stats
from training.stats_tables import LIMITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_all(stats: Stats, folder: Path) -> list[Path]:
    """Write every plot as a PNG, light and dark. Raises `MissingExtra`."""
    figures = {
        "rows": rows_by_language,
        "tokens": tokens_by_language,
        "tasks": tasks_by_language,
        "property_types": property_types,
    }
    written: list[Path] = []
    for name, draw in figures.items():
        written += save_both(partial(draw, stats), folder / f"{name}.png")
    return written


@style()
def rows_by_language(stats: Stats) -> Figure:
    """How many chats each language has on which side of the split."""
    figure, axes = new_figure(WIDTH, rows_height(len(stats.languages)), f"{stats.rows:,} chats by language")
    parts = {side: [counts.splits[side] for counts in stats.languages.values()] for side in SPLITS}
    unsplit = [counts.rows - sum(counts.splits.values()) for counts in stats.languages.values()]
    if any(unsplit):
        parts["not dealt out"] = unsplit
    stacked_bars(axes, [_named(code) for code in stats.languages], parts)
    axes.set_xlabel("chats")
    return figure


@style()
def tokens_by_language(stats: Stats) -> Figure:
    """Shortest to longest, the middle half and the median, on a logarithmic scale; the dearest language on top."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

    palette = look()
    ordered = sorted(stats.languages.items(), key=lambda item: item[1].percentile(0.5))
    figure, axes = new_figure(
        WIDTH, max(rows_height(len(ordered)), 3), "Length of a chat in Llama 3's tokens"
    )
    beside = axes.get_yaxis_transform()
    for place, (_, counts) in enumerate(ordered):
        ends, middle = (
            [counts.tokens[0], counts.tokens[-1]],
            [counts.percentile(0.25), counts.percentile(0.75)],
        )
        axes.plot(ends, [place, place], color=palette.faint, linewidth=2.5, solid_capstyle="round", zorder=2)
        axes.plot(middle, [place, place], color=palette.good, linewidth=7, solid_capstyle="butt", zorder=3)
        axes.plot(counts.percentile(0.5), place, "o", color=palette.ground, markersize=3.5, zorder=4)
        axes.text(
            1.12, place, f"{counts.percentile(0.5):,}", transform=beside, va="center", ha="right",
            fontsize=SMALL,
        )  # fmt: skip
    axes.text(
        1.12, len(ordered) - 0.1, "median", transform=beside, va="bottom", ha="right", fontsize=SMALL,
        color=palette.pale,
    )  # fmt: skip
    axes.set_yticks(range(len(ordered)), [_named(code) for code, _ in ordered])
    axes.set_ylim(-0.8, len(ordered) - 0.2)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([2**power for power in range(5, 15)]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(
        min(counts.tokens[0] for _, counts in ordered) * 0.9,
        max(counts.tokens[-1] for _, counts in ordered) * 1.2,
    )
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    for limit in LIMITS:
        axes.axvline(limit, color=palette.bad, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlabel("tokens, system prompt and notes included\n(line: all, bar: the middle half)")
    return figure


@style()
def tasks_by_language(stats: Stats) -> Figure:
    """How often each language has each task."""
    figure, axes = new_figure(WIDTH, rows_height(len(stats.languages)) + 0.6, "Tasks by language")
    values = [[float(counts.tasks[task]) for task in TASKS] for counts in stats.languages.values()]
    rows = [_named(code) for code in stats.languages]
    heat_map(axes, rows, [task.replace("_", " ") for task in TASKS], values)
    return figure


@style()
def property_types(stats: Stats) -> Figure:
    """The kinds of works in the catalogue, and how many were first made in the language that lists them."""
    kinds = list(stats.property_types)
    local = [stats.property_types[kind][0] for kind in kinds]
    other = [stats.property_types[kind][1] for kind in kinds]
    title = f"{sum(local) + sum(other):,} works of the catalogue by kind"
    figure, axes = new_figure(WIDTH, rows_height(len(kinds)), title)
    names = [kind.replace("_", " ") for kind in kinds]
    stacked_bars(axes, names, {"first made in the language": local, "international": other})
    for place, (one, two) in enumerate(zip(local, other, strict=True)):
        number_beside(axes, f"{one + two}", (one + two, place))
    axes.margins(x=0.08)
    axes.set_xlabel("works")
    legend_above(axes, 2)
    return figure


def _named(code: str) -> str:
    return f"{LANGUAGES[code].english_name}  {code}"

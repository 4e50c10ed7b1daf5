"""The dataset's numbers as plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from model.languages import LANGUAGES
from training.chats import TASKS
from training.plots import (
    COLOURS,
    INK,
    PALE,
    heat_map,
    legend_above,
    new_figure,
    save_png,
    stacked_bars,
    style,
)
from training.split import SPLITS
from training.stats import Stats
from training.stats_tables import LIMITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_all(stats: Stats, folder: Path) -> list[Path]:
    """Write every plot as a PNG. Raises `MissingExtra`."""
    figures = {
        "rows": rows_by_language,
        "tokens": tokens_by_language,
        "tasks": tasks_by_language,
        "property_types": property_types,
    }
    return [save_png(draw(stats), folder / f"{name}.png") for name, draw in figures.items()]


@style()
def rows_by_language(stats: Stats) -> Figure:
    """How many chats each language has on which side of the split."""
    figure, axes = new_figure(11, 3.4, f"{stats.rows:,} chats by language")
    parts = {side: [counts.splits[side] for counts in stats.languages.values()] for side in SPLITS}
    unsplit = [counts.rows - sum(counts.splits.values()) for counts in stats.languages.values()]
    if any(unsplit):
        parts["not dealt out"] = unsplit
    stacked_bars(axes, list(stats.languages), parts)
    axes.set_ylabel("chats")
    return figure


@style()
def tokens_by_language(stats: Stats) -> Figure:
    """Shortest to longest, the middle half and the median, on a logarithmic scale; the dearest language on top."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

    ordered = sorted(stats.languages.items(), key=lambda item: item[1].percentile(0.5))
    figure, axes = new_figure(8.5, max(0.21 * len(ordered) + 1.4, 3), "Length of a chat in Llama 3's tokens")
    for place, (_, counts) in enumerate(ordered):
        axes.plot(
            [counts.tokens[0], counts.tokens[-1]],
            [place, place],
            color="#b8c9d3",
            linewidth=2,
            solid_capstyle="round",
            zorder=2,
        )
        middle = [counts.percentile(0.25), counts.percentile(0.75)]
        axes.plot(middle, [place, place], color=COLOURS[0], linewidth=6, solid_capstyle="butt", zorder=3)
        axes.plot(counts.percentile(0.5), place, "o", color="white", markersize=3.5, zorder=4)
        beside = axes.get_yaxis_transform()
        axes.text(
            1.06, place, f"{counts.percentile(0.5):,}", transform=beside, va="center", ha="right", fontsize=8
        )
    axes.text(
        1.06, len(ordered) - 0.1, "median", transform=beside, va="bottom", ha="right", fontsize=8, color=PALE
    )
    axes.set_yticks(range(len(ordered)), [f"{LANGUAGES[code].english_name}  {code}" for code, _ in ordered])
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
        axes.axvline(limit, color=COLOURS[2], linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlabel(
        "tokens of a training example, system prompt and notes included (line: all, bar: the middle half)"
    )
    return figure


@style()
def tasks_by_language(stats: Stats) -> Figure:
    """How often each language has each task."""
    codes = list(stats.languages)
    figure, axes = new_figure(11, 3.8, "Tasks by language")
    values = [[float(counts.tasks[task]) for counts in stats.languages.values()] for task in TASKS]
    heat_map(axes, [task.replace("_", " ") for task in TASKS], codes, values)
    axes.xaxis.tick_bottom()
    return figure


@style()
def property_types(stats: Stats) -> Figure:
    """The kinds of works in the catalogue, and how many were first made in the language that lists them."""
    kinds = list(stats.property_types)[::-1]
    local = [stats.property_types[kind][0] for kind in kinds]
    other = [stats.property_types[kind][1] for kind in kinds]
    figure, axes = new_figure(8.5, 4, f"{sum(local) + sum(other):,} works of the catalogue by kind")
    names = [kind.replace("_", " ") for kind in kinds]
    axes.barh(names, local, color=COLOURS[0], label="first made in the language", height=0.72)
    axes.barh(names, other, left=local, color=COLOURS[1], label="international", height=0.72)
    for place, (one, two) in enumerate(zip(local, other, strict=True)):
        axes.annotate(
            f"{one + two}",
            (one + two, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("works")
    legend_above(axes, 2)
    return figure

"""The look of every plot, and the two forms they come in: a PNG file, and an image inside an HTML page.

Drawn with matplotlib's Agg, without a display and without pyplot's global state. Labels are codes and English
names, because no one font has the letters of forty languages.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = (
    "#2f6f8f",
    "#e0a458",
    "#b5563c",
    "#6a8f5f",
    "#7d6b91",
    "#c98ba0",
    "#4f5d75",
    "#a3b18a",
    "#d4a373",
    "#8d99ae",
)
"""Told apart by brightness too: dark blue, light amber, brick, green, violet …"""
KEPT, DROPPED = COLOURS[0], COLOURS[2]

_STYLE: Mapping[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def style() -> Iterator[None]:
    """All drawing happens in here; also a decorator, `@style()`. Raises `MissingExtra`."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtra("plots need matplotlib: pip install 'fanfabler[train]'") from error
    settings: Any = dict(_STYLE)
    with mpl.rc_context(settings):
        yield


def new_figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def stacked_bars(
    axes: Axes, labels: Sequence[str], parts: Mapping[str, Sequence[float]], colours: Sequence[str] = COLOURS
) -> None:
    """Upright bars, one a label, made of parts that the legend names."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    floor = [0.0] * len(labels)
    for (name, heights), colour in zip(parts.items(), colours, strict=False):
        axes.bar(labels, heights, bottom=floor, color=colour, label=name, width=0.78)
        floor = [below + height for below, height in zip(floor, heights, strict=True)]
    axes.grid(axis="y")
    axes.margins(x=0.01)
    axes.tick_params(axis="x", length=0)
    if len(parts) > 1:
        legend_above(axes, len(parts))


def legend_above(axes: Axes, columns: int) -> None:
    """The legend above the plot at its right, where it covers nothing."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, borderaxespad=0.4, columnspacing=1.2,
        handlelength=1, handleheight=1, frameon=False,
    )  # fmt: skip


def heat_map(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]]
) -> None:
    """A cell for each pair, with its value written in; 0 stays white."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#bcd4de", COLOURS[0]])
    # A few ones and twos are no extremes.
    top = max(3, *(max(line, default=0) for line in values), 0)
    axes.imshow(values, cmap=shades, aspect="auto", vmin=0, vmax=top)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, line in enumerate(values):
        for column, value in enumerate(line):
            if value:
                colour = "white" if value > 0.62 * top else INK
                axes.text(column, place, f"{value:g}", ha="center", va="center", fontsize=7.5, color=colour)


def save_png(figure: Figure, path: Path) -> Path:
    """Write the figure; the same data gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure))
    return path


@style()
def png(figure: Figure) -> bytes:
    """The figure as a PNG, at 150 dots an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def data_url(figure: Figure) -> str:
    """The figure as the address of an image that stands in the page itself."""
    return "data:image/png;base64," + base64.b64encode(png(figure)).decode("ascii")

"""The look of every plot, light and dark, and the forms they come in: PNG files, and images inside an HTML page.

Drawn with matplotlib's Agg, without a display and without pyplot's global state. Made to be read on a phone: upright,
with languages in rows. Labels are codes and English names; for what people name themselves, the fonts of other scripts
stand by where they are installed.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.palette import DARK, LIGHT, Palette
from training.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

WIDTH = 6.2
"""Inches of a plot that fills a page or a phone's screen."""
SMALL = 8.5
"""Points of the text in cells and beside marks; everything else is larger."""
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Hebrew",
    "Noto Sans Armenian",
)
_PHONE = "(max-width: 50rem)"

_LOOK: ContextVar[Palette] = ContextVar("look", default=LIGHT)


def look() -> Palette:
    """The colours that are drawn with now."""
    return _LOOK.get()


@contextmanager
def style(*, dark: bool | None = None) -> Iterator[None]:
    """All drawing happens in here; also a decorator, `@style()`. None: as light or dark as it is around. Raises
    `MissingExtra`."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtra("plots need matplotlib: pip install 'fanfabler[train]'") from error
    palette = look() if dark is None else DARK if dark else LIGHT
    settings: Any = _settings(palette)
    token = _LOOK.set(palette)
    try:
        with mpl.rc_context(settings):
            yield
    finally:
        _LOOK.reset(token)


def _settings(palette: Palette) -> dict[str, Any]:
    return {
        "font.size": 10,
        "font.family": fonts(),
        "text.color": palette.ink,
        "axes.labelcolor": palette.ink,
        "axes.edgecolor": palette.pale,
        "axes.facecolor": palette.ground,
        "axes.titlesize": 12.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linewidth": 0.8,
        "xtick.color": palette.pale,
        "ytick.color": palette.pale,
        "xtick.labelcolor": palette.ink,
        "ytick.labelcolor": palette.ink,
        "legend.frameon": False,
        "figure.facecolor": palette.ground,
        "figure.constrained_layout.h_pad": 0.1,
        "figure.constrained_layout.w_pad": 0.1,
        "savefig.facecolor": palette.ground,
    }


@cache
def fonts() -> list[str]:
    """Those that are here, ones installed since matplotlib made its list of fonts too (it never makes it again)."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    missing = set(_FONTS) - {font.name for font in fontManager.ttflist}
    if missing:
        listed = {font.fname for font in fontManager.ttflist}
        files = {name.removesuffix(" JP").replace(" ", "") for name in missing}
        for path in set(findSystemFonts()) - listed:
            if Path(path).stem.partition("-")[0] in files:
                fontManager.addfont(path)
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


def new_figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def rows_height(rows: int) -> float:
    """Inches of a figure with so many rows, their axis and a title."""
    return 0.235 * rows + 1.5


def stacked_bars(
    axes: Axes,
    labels: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    colours: Sequence[str] | None = None,
) -> None:
    """Lying bars, one a label, the first on top, made of parts that the legend names."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, steps=[1, 2, 5, 10]))
    floor = [0.0] * len(labels)
    for (name, lengths), colour in zip(parts.items(), colours or look().series, strict=False):
        axes.barh(labels, lengths, left=floor, color=colour, label=name, height=0.74)
        floor = [below + length for below, length in zip(floor, lengths, strict=True)]
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.margins(y=0.01)
    axes.tick_params(axis="y", length=0)
    if len(parts) > 1:
        legend_above(axes, len(parts))


def legend_above(axes: Axes, columns: int) -> None:
    """The legend in lines of its own under the title, where it covers nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.3, borderpad=0.1, columnspacing=1.2,
        handlelength=1.2, handleheight=1, handletextpad=0.5,
    )  # fmt: skip
    rows = -(-len(axes.get_legend_handles_labels()[1]) // columns)
    axes.set_title(axes.get_title(loc="left"), pad=12 + 17 * rows)


def number_beside(axes: Axes, text: str, place: tuple[float, float]) -> None:
    """A number at the end of a bar."""
    axes.annotate(text, place, (4, 0), textcoords="offset points", va="center", fontsize=SMALL)


def heat_map(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]]
) -> None:
    """A cell for each pair, with its value written in; 0 stays empty."""
    # A few ones and twos are no extremes.
    top = max(3, *(max(line, default=0) for line in values), 0)
    shades = between(look().ground, look().good)
    cells(axes, [[value or None for value in line] for line in values], shades, top)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)


def between(*colours: str) -> Colormap:
    """From the first colour to the last, evenly."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", list(colours))


def cells(axes: Axes, values: Sequence[Sequence[float | None]], shades: Colormap, top: float) -> None:
    """Coloured cells from 0 to `top`, each with its value in it, in the ink that is read best there."""
    import numpy as np
    from matplotlib.colors import to_hex

    palette = look()
    shades = shades.with_extremes(bad=palette.empty)
    axes.imshow(np.array(values, dtype=float), cmap=shades, aspect="auto", vmin=0, vmax=top)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, line in enumerate(values):
        for column, value in enumerate(line):
            if value is not None:
                ink = palette.ink_on(to_hex(shades(value / top)))
                axes.text(column, place, f"{value:.0f}", ha="center", va="center", fontsize=SMALL, color=ink)


def save_png(figure: Figure, path: Path, *, dark: bool = False) -> Path:
    """Write the figure; the same data gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure, dark=dark))
    return path


def save_both(draw: Callable[[], Figure], path: Path) -> list[Path]:
    """Write what is drawn on a light ground, and beside it `<name>-dark.png`."""
    written = []
    for dark, name in ((False, path.name), (True, f"{path.stem}-dark{path.suffix}")):
        with style(dark=dark):
            figure = draw()
        written.append(save_png(figure, path.with_name(name), dark=dark))
    return written


def png(figure: Figure, *, dark: bool = False) -> bytes:
    """The figure as a PNG, at 150 dots an inch; `dark` as it was drawn."""
    buffer = io.BytesIO()
    with style(dark=dark):
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def picture(draw: Callable[[], Figure], words: str, *, upright: Callable[[], Figure] | None = None) -> str:
    """What is drawn as an image that stands in an HTML page itself, light or dark as the reader has it. `upright` takes
    its place on a phone; `words` are for those who do not see it."""
    shown = [("", draw)] if upright is None else [(_PHONE, upright), ("", draw)]
    sources = []
    for where, drawn in shown:
        for theme in ("(prefers-color-scheme: dark)", ""):
            with style(dark=bool(theme)):
                figure = drawn()
            data = base64.b64encode(png(figure, dark=bool(theme))).decode("ascii")
            media = " and ".join(filter(None, (where, theme)))
            sources.append((media, f"data:image/png;base64,{data}", round(figure.get_figwidth() * 96)))
    *others, (_, last, width) = sources
    found = "".join(
        f'<source media="{media}" srcset="{data}" width="{wide}">' for media, data, wide in others
    )
    return f'<picture>{found}<img src="{last}" width="{width}" alt="{html.escape(words)}"></picture>'

"""The colours of every picture with figures in it, on a light ground and on a dark one such as Discord's: training's
plots by matplotlib, the bot's statistics by Pillow. Values alone; nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as `#rrggbb`.

    `ink` is for what is read, `pale` for axes and notes, `faint` for what stands behind a mark, `empty` for cells
    without a value. `series` tells things apart by brightness too; its first is good and its third bad, `middle`
    stands between.
    """

    ground: str
    ink: str
    pale: str
    grid: str
    faint: str
    empty: str
    middle: str
    series: tuple[str, ...]

    @property
    def good(self) -> str:
        """Kept, right, a hundred per cent."""
        return self.series[0]

    @property
    def bad(self) -> str:
        """Dropped, wrong, nought per cent."""
        return self.series[2]

    def ink_on(self, ground: str) -> str:
        """The ink or the ground's colour: what is read best on a patch of this colour."""
        return max(self.ink, self.ground, key=lambda each: contrast(each, ground))


LIGHT = Palette(
    ground="#ffffff",
    ink="#1f2933",
    pale="#616e7c",
    grid="#e4e7eb",
    faint="#b8c9d3",
    empty="#f5f6f7",
    middle="#f4ede2",
    series=(
        "#2f6f8f", "#d08c2f", "#b5563c", "#6a8f5f", "#7d6b91", "#c98ba0", "#4f5d75", "#a3b18a", "#d4a373", "#8d99ae",
    ),
)  # fmt: skip
DARK = Palette(
    ground="#1e1f22",
    ink="#f2f3f5",
    pale="#b5bac1",
    grid="#3a3c42",
    faint="#4b5b66",
    empty="#26282c",
    middle="#43464d",
    series=(
        "#6fb3d3", "#e9b872", "#e08a72", "#98c08b", "#b3a1c9", "#dcaec0", "#98a7c2", "#c4d0ad", "#e3c19b", "#c3cad8",
    ),
)  # fmt: skip


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours by WCAG 2: 1 to 21; small text wants 4.5."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

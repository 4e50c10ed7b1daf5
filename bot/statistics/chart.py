"""The figures as a PNG, for a phone in dark theme. There are numbers and language codes in it, no words: those are the
reader's, in forty languages and more scripts than one font has, and stand in the message beside it. By Pillow, which
is small and everywhere; matplotlib would be four times everything else that the bot needs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from PIL import Image, ImageDraw, ImageFont

from bot.statistics.figures import Figures
from model.palette import DARK

WIDTH = 960
_PANEL, _GAP, _LEFT, _RIGHT, _TOP, _BOTTOM = 270, 24, 104, 24, 46, 52
_SCALE = 2  # drawn so much larger, then made smaller: smooth edges
_TEXT, _SMALL = 32, 28
_MOST_LANGUAGES = 8
_DATES = 5

_GROUND, _GRID, _INK, _FAINT = DARK.ground, DARK.grid, DARK.ink, DARK.pale
# The colours of the squares that name them in the message: 🟦 🟥 🟧 🟩 🟪 🟨.
BLUE, RED, ORANGE, GREEN, PURPLE = "#55acee", "#dd2e44", "#f4900c", "#78b159", "#aa8ed6"
YELLOW = "#fdcb58"


@dataclass(frozen=True)
class _Axis:
    """Where a panel lies, and what its height means."""

    top: float
    highest: float

    def y(self, value: float) -> float:
        height = _PANEL - _TOP - _BOTTOM
        return self.top + _TOP + height * (1 - value / self.highest)


class _Canvas:
    """Draws in the coordinates of the finished picture."""

    def __init__(self, height: int) -> None:
        self.image = Image.new("RGB", (WIDTH * _SCALE, height * _SCALE), _GROUND)
        self._draw = ImageDraw.Draw(self.image)
        self._fonts = {size: ImageFont.load_default(size * _SCALE) for size in (_TEXT, _SMALL)}

    def bar(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        if bottom - top >= 0.5 and right > left:
            box = [left * _SCALE, top * _SCALE, right * _SCALE - 1, bottom * _SCALE - 1]
            self._draw.rounded_rectangle(box, radius=3 * _SCALE, fill=colour)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * _SCALE), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        box = [(x - radius) * _SCALE, (y - radius) * _SCALE, (x + radius) * _SCALE, (y + radius) * _SCALE]
        self._draw.ellipse(box, fill=colour)

    def text(
        self, x: float, y: float, text: str, colour: str = _FAINT, size: int = _SMALL, anchor: str = "lm"
    ) -> None:
        self._draw.text((x * _SCALE, y * _SCALE), text, fill=colour, font=self._fonts[size], anchor=anchor)

    def width_of(self, text: str, size: int) -> float:
        return self._draw.textlength(text, font=self._fonts[size]) / _SCALE


def draw(figures: Figures) -> bytes:
    """The picture, as PNG. From the top: 1 answers a day, 2 the median time to the first text in seconds, 3 verdicts, 4
    answers in a wrong language in per cent, 5 languages."""
    languages = figures.languages[:_MOST_LANGUAGES]
    last = _TOP + 48 * max(1, len(languages)) + 16
    canvas = _Canvas(4 * (_PANEL + _GAP) + last)
    _draw_answers(canvas, figures, 0)
    _draw_first_texts(canvas, figures, _PANEL + _GAP)
    _draw_verdicts(canvas, figures, 2 * (_PANEL + _GAP))
    _draw_wrong_languages(canvas, figures, 3 * (_PANEL + _GAP))
    _draw_languages(canvas, languages, 4 * (_PANEL + _GAP))
    smooth = canvas.image.resize((WIDTH, canvas.image.height // _SCALE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    smooth.save(file, "PNG", optimize=True)
    return file.getvalue()


def _draw_answers(canvas: _Canvas, figures: Figures, top: float) -> None:
    highest = max((day.answered + day.failed for day in figures.days), default=0)
    axis = _axis(canvas, top, "1", float(highest))
    for number, day in enumerate(figures.days):
        left, right = _slot(number, len(figures.days))
        middle = axis.y(day.answered)
        canvas.bar(left, middle, right, axis.y(0), BLUE)
        canvas.bar(left, axis.y(day.answered + day.failed), right, middle, RED)
    _dates(canvas, [day.date for day in figures.days], top)


def _draw_first_texts(canvas: _Canvas, figures: Figures, top: float) -> None:
    times = [day.first_text for day in figures.days]
    axis = _axis(canvas, top, "2", max((s for s in times if s is not None), default=0.0), 0.1)
    stretch: list[tuple[float, float]] = []
    for number, seconds in enumerate([*times, None]):
        if seconds is not None:
            left, right = _slot(number, len(times))
            stretch.append(((left + right) / 2, axis.y(seconds)))
            continue
        if len(stretch) > 1:
            canvas.line(stretch, ORANGE, 5)
        for x, y in stretch:
            canvas.dot(x, y, 6, ORANGE)
        stretch = []
    _dates(canvas, [day.date for day in figures.days], top)


def _draw_verdicts(canvas: _Canvas, figures: Figures, top: float) -> None:
    highest = max((max(day.liked, day.disliked) for day in figures.days), default=0)
    axis = _axis(canvas, top, "3", float(highest))
    for number, day in enumerate(figures.days):
        left, right = _slot(number, len(figures.days))
        middle = (left + right) / 2
        canvas.bar(left, axis.y(day.liked), middle - 0.5, axis.y(0), GREEN)
        canvas.bar(middle + 0.5, axis.y(day.disliked), right, axis.y(0), RED)
    _dates(canvas, [day.date for day in figures.days], top)


def _draw_wrong_languages(canvas: _Canvas, figures: Figures, top: float) -> None:
    shares = [100 * day.wrong / day.judged if day.judged else 0.0 for day in figures.days]
    axis = _axis(canvas, top, "4", max(shares, default=0.0), unit="%")
    for number, share in enumerate(shares):
        left, right = _slot(number, len(shares))
        canvas.bar(left, axis.y(share), right, axis.y(0), YELLOW)
    _dates(canvas, [day.date for day in figures.days], top)


def _draw_languages(canvas: _Canvas, languages: Sequence[tuple[str, int]], top: float) -> None:
    canvas.text(16, top + 24, "5", _INK, _TEXT)
    most = max((count for _, count in languages), default=0)
    for number, (code, count) in enumerate(languages):
        y = top + _TOP + 48 * number + 20
        canvas.text(_LEFT - 16, y, code, _INK, _TEXT, "rm")
        label = _short(count)
        room = WIDTH - _RIGHT - _LEFT - canvas.width_of(label, _TEXT) - 14
        right = _LEFT + max(4.0, room * count / most)
        canvas.bar(_LEFT, y - 15, right, y + 15, PURPLE)
        canvas.text(right + 12, y, label, _INK, _TEXT)


def _axis(
    canvas: _Canvas, top: float, name: str, highest: float, least: float = 1.0, unit: str = ""
) -> _Axis:
    """A panel's name, its lines and their values; four at most, at round numbers."""
    canvas.text(16, top + 24, name, _INK, _TEXT)
    step = _round_step(highest, least)
    axis = _Axis(top, max(step, highest) * 1.04)
    value = 0.0
    while value <= axis.highest:
        y = axis.y(value)
        canvas.line([(_LEFT, y), (WIDTH - _RIGHT, y)], _GRID, 1.5)
        canvas.text(_LEFT - 12, y, _short(value) + unit, _FAINT, _SMALL, "rm")
        value += step
    return axis


def _dates(canvas: _Canvas, days: Sequence[date], top: float) -> None:
    """Some dates, month and day, as ISO 8601 writes them: the last one, and as many as fit before it."""
    every = max(1, -(-len(days) // _DATES))
    for number in range(len(days) - 1, -1, -every):
        left, right = _slot(number, len(days))
        x = min(max((left + right) / 2, _LEFT + 36), WIDTH - _RIGHT - 40)
        canvas.text(x, top + _PANEL - 24, days[number].strftime("%m-%d"), _FAINT, _SMALL, "mm")


def _slot(number: int, count: int) -> tuple[float, float]:
    """Left and right of one day."""
    wide = (WIDTH - _RIGHT - _LEFT) / count
    margin = min(wide * 0.16, 14)
    return _LEFT + number * wide + margin, _LEFT + (number + 1) * wide - margin


def _round_step(highest: float, least: float) -> float:
    """1, 2 or 5 times a power of ten, `least` at the least, so that three of them or fewer come to `highest`."""
    if highest <= 0:
        return 1.0
    step = 0.1
    while True:
        for factor in (1, 2, 5):
            if step * factor >= least and highest / (step * factor) < 4:
                return step * factor
        step *= 10


def _short(value: float) -> str:
    """A number that fits beside an axis: 950, 1.2k, 35k."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 1000:
        return f"{value / 1000:.1f}".removesuffix(".0") + "k"
    return f"{value:.1f}".removesuffix(".0")

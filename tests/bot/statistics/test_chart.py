"""The picture: what is drawn is what the figures say."""

from __future__ import annotations

import io
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from bot.statistics.chart import BLUE, GREEN, ORANGE, PURPLE, RED, WIDTH, YELLOW, draw
from bot.statistics.figures import Day, Figures

BEGIN = date(2026, 11, 1)


def picture(figures: Figures) -> Image.Image:
    return Image.open(io.BytesIO(draw(figures))).convert("RGB")


def area(image: Image.Image, colour: str) -> int:
    """Pixels of a colour."""
    return sum(
        count for count, found in image.getcolors(1_000_000) or [] if found == ImageColor.getrgb(colour)
    )


def days(*answered: int, **more: int) -> list[Day]:
    return [Day(BEGIN + timedelta(days=n), count, **more) for n, count in enumerate(answered)]


def test_a_week_of_nothing_has_axes_and_no_colours() -> None:
    image = picture(Figures(days(0, 0, 0, 0, 0, 0, 0)))
    assert image.width == WIDTH
    assert [area(image, colour) for colour in (BLUE, RED, ORANGE, GREEN, PURPLE, YELLOW)] == [0] * 6


def test_bars_are_as_high_as_what_they_stand_for() -> None:
    two = area(picture(Figures(days(100, 50, 0, 0, 0, 0, 0))), BLUE)
    one = area(picture(Figures(days(100, 0, 0, 0, 0, 0, 0))), BLUE)
    assert two / one == pytest.approx(1.5, rel=0.03)


def test_every_kind_of_figure_is_in_it() -> None:
    figures = Figures(
        [Day(BEGIN + timedelta(days=n), 20, 4, 1.5 + n, 5, 2, 20, 1) for n in range(30)],
        languages=[("fi", 30), ("en", 12)],
    )
    image = picture(figures)
    assert all(area(image, colour) > 200 for colour in (BLUE, RED, ORANGE, GREEN, PURPLE, YELLOW))
    alone = picture(Figures(figures.days, languages=[("fi", 30)]))
    assert area(image, PURPLE) / area(alone, PURPLE) == pytest.approx(1.4, rel=0.05)


@settings(deadline=None, max_examples=25)  # a picture takes a moment on a busy machine
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7),
            st.integers(0, 10**6),
            st.none() | st.floats(0, 10**6),
            st.integers(0, 10**6),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_the_figures_are_there_is_a_picture(found: list[tuple[int, int, float | None, int]]) -> None:
    figures = Figures(
        [Day(BEGIN + timedelta(days=n), a, f, t, v, v // 3) for n, (a, f, t, v) in enumerate(found)],
        languages=[("en", found[0][0] + 1)],
    )
    assert picture(figures).width == WIDTH

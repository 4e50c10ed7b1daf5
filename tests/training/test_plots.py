"""The look of the plots: light and dark, in pages and in files."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from model.palette import DARK, LIGHT
from training.finetuning.curves import draw_curves, loss_figure
from training.plots import fonts, heat_map, look, new_figure, picture, png, save_both, style

pytest.importorskip("matplotlib")
EVENTS = [{"event": "step", "step": step, "loss": 4 - step / 10} for step in range(1, 11)]


def ground(content: bytes) -> tuple[int, ...]:
    """The colour of the upper left corner."""
    pixel = Image.open(io.BytesIO(content)).convert("RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


def test_what_is_drawn_in_a_style_has_its_colours() -> None:
    assert look() is LIGHT
    with style(dark=True):
        assert look() is DARK
        with style():
            assert look() is DARK
    assert look() is LIGHT


def test_curves_are_drawn_light_and_dark(tmp_path: Path) -> None:
    light, dark = draw_curves(EVENTS, "a run", tmp_path)
    assert (light.name, dark.name) == ("loss.png", "loss-dark.png")
    assert ground(light.read_bytes()) == ImageColor.getrgb(LIGHT.ground)
    assert ground(dark.read_bytes()) == ImageColor.getrgb(DARK.ground)
    figure = loss_figure(EVENTS, "a run", dark=True)
    assert png(figure, dark=True) == dark.read_bytes()


def test_a_page_shows_the_readers_theme_and_the_upright_one_on_a_phone() -> None:
    def drawn(width: float) -> str:
        return picture(
            lambda: new_figure(width, 2, "wide")[0], "<b>", upright=lambda: new_figure(2, 4, "up")[0]
        )

    page = drawn(6)
    media = re.findall(r'media="([^"]+)"', page)
    assert media == [
        "(max-width: 50rem) and (prefers-color-scheme: dark)",
        "(max-width: 50rem)",
        "(prefers-color-scheme: dark)",
    ]
    assert page.count("data:image/png;base64,") == 4
    assert 'alt="&lt;b&gt;"' in page
    assert 'width="576"' in page


def test_numbers_in_cells_can_be_read_on_every_shade(tmp_path: Path) -> None:
    def draw() -> object:
        figure, axes = new_figure(4, 3, "cells")
        heat_map(axes, ["a"], list("bcdef"), [[0, 1, 2, 3, 4]])
        inks = {text.get_text(): text.get_color() for text in axes.texts}
        assert set(inks) == {"1", "2", "3", "4"}
        assert {inks["1"], inks["4"]} == {look().ink, look().ground}
        return figure

    light, dark = save_both(draw, tmp_path / "cells.png")  # type: ignore[arg-type]
    assert light.read_bytes() != dark.read_bytes()


@pytest.mark.fonts
@pytest.mark.parametrize(
    ("name", "font"),
    [("내 모델", "Noto Sans CJK JP"), ("नई कहानी", "Noto Sans Devanagari"), ("قصة", "Noto Sans Arabic")],
)
def test_runs_may_have_names_in_any_script(name: str, font: str) -> None:
    if font not in fonts():
        pytest.skip(f"{font} is not installed (Debian: fonts-noto-core, fonts-noto-cjk)")
    assert png(loss_figure(EVENTS, name)).startswith(b"\x89PNG")


@pytest.mark.fonts
def test_fonts_that_were_installed_after_matplotlib_had_made_its_list_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matplotlib.font_manager import fontManager

    font = "Noto Sans Thai"
    if font not in fonts():
        pytest.skip(f"{font} is not installed (Debian: fonts-noto-core)")
    monkeypatch.setattr(
        fontManager, "ttflist", [entry for entry in fontManager.ttflist if entry.name != font]
    )
    assert font in fonts.__wrapped__()

"""Pictures can be read, light and dark."""

from __future__ import annotations

import pytest

from model.palette import DARK, LIGHT, Palette, contrast

PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def test_contrast_is_as_wcag_has_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@PALETTES
def test_text_stands_out_from_its_ground(palette: Palette) -> None:
    assert contrast(palette.ink, palette.ground) > 10
    assert contrast(palette.pale, palette.ground) > 4.5
    for patch in (palette.good, palette.bad, palette.middle, palette.empty):
        assert contrast(palette.ink_on(patch), patch) > 4.5


@PALETTES
def test_lines_stand_out_from_their_ground(palette: Palette) -> None:
    assert all(contrast(colour, palette.ground) > 2.5 for colour in palette.series[:4])


def test_both_palettes_have_as_many_colours() -> None:
    assert len(LIGHT.series) == len(DARK.series) == len(set(LIGHT.series)) == len(set(DARK.series))

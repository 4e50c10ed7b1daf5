"""Embeds have one design: each colour has one meaning."""

from __future__ import annotations

import re
from pathlib import Path

import discord

from bot.discord import colours

BOT = Path(colours.__file__).parents[1]
LIGHT, DARK = "#f2f3f5", "#2b2d31"  # what embeds stand on in Discord's two themes


def luminance(colour: discord.Colour) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [value / 255 for value in colour.to_rgb()]
    red, green, blue = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: discord.Colour, other: discord.Colour) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def all_colours() -> dict[str, discord.Colour]:
    return {name: value for name, value in vars(colours).items() if isinstance(value, discord.Colour)}


def test_no_two_states_have_the_same_colour() -> None:
    assert len({value.value for value in all_colours().values()}) == len(all_colours()) == 8


def test_each_colour_shows_on_both_grounds() -> None:
    for name, colour in all_colours().items():
        assert contrast(colour, discord.Colour.from_str(DARK)) > 2.5, name
        assert contrast(colour, discord.Colour.from_str(LIGHT)) > 1.4, name


def test_no_embed_has_a_colour_of_its_own() -> None:
    own = re.compile(r"Colou?r\(0x|colou?r=0x|Colou?r\.[a-z_]+\(\)")
    found = [
        f"{path.relative_to(BOT)}:{number}"
        for path in sorted(BOT.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if own.search(line) and path != Path(colours.__file__)
    ]
    assert found == []

"""The colour at the edge of an embed says in what state things are: the same for all of them, and readable on Discord's
dark and light ground. What it says stands in words or signs beside it too, for those who do not see it."""

from __future__ import annotations

import discord

INFORMATION = discord.Colour(0x7C4DFF)
"""FanFabler's violet: what is shown on request."""
WORKING = discord.Colour(0x3498DB)
"""Blue: under way."""
DONE = discord.Colour(0x2ECC71)
"""Green: done, or all is well."""
WARNING = discord.Colour(0xF1C40F)
"""Yellow: it goes on, but wants looking at."""
HELD_UP = discord.Colour(0xE67E22)
"""Orange: somebody has stopped it for now, or advises against it."""
ERROR = discord.Colour(0xE74C3C)
"""Red: it failed, or is broken."""
OVER = discord.Colour(0x95A5A6)
"""Grey: called off, or nothing there."""
LOOKED_UP = discord.Colour(0x1ABC9C)
"""Teal: facts from elsewhere."""

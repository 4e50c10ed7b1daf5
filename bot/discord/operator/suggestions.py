"""What an operator is suggested while typing. What cannot be asked in time is not suggested."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from discord import app_commands

from bot.errors import BotError
from bot.text.length import shorten

# Discord waits for three seconds.
_PATIENCE = 2.5
_MOST = 25
_LABEL = 100

Value = TypeVar("Value", str, int)


async def suggested(
    typed: str, offered: Callable[[], Awaitable[Sequence[tuple[str, Value]]]]
) -> list[app_commands.Choice[Value]]:
    """Of the labels and values, those that have what was typed in them."""
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await offered()
    except (BotError, TimeoutError):
        return []
    wanted = typed.casefold()
    return [
        app_commands.Choice(name=shorten(label, _LABEL), value=value)
        for label, value in found
        if wanted in label.casefold() and (isinstance(value, int) or 0 < len(value) <= _LABEL)
    ][:_MOST]

"""Removes what is past its time, some time after the start and a few times a day."""

from __future__ import annotations

import time
from collections.abc import Callable

import discord

from bot.database.retention import Retention
from bot.discord.errands import Errands

_EVERY = 6 * 3600.0


class Housekeeping(Errands):
    """Runs the retention."""

    def __init__(
        self, client: discord.Client, retention: Retention, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(client)
        self._retention = retention
        self._clock = clock
        self._due_at = clock()

    async def do_due(self) -> None:
        """Purge, if the last time is long enough ago."""
        if self._clock() < self._due_at:
            return
        await self._retention.purge()
        self._due_at = self._clock() + _EVERY

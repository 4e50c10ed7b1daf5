"""Work on Discord that nobody waits for: it is in the database, so that it outlives the process."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import discord
from discord.ext import commands

log = logging.getLogger(__name__)

_LOOK_EVERY = 600.0


class Errands(commands.Cog):
    """A cog that does what is due when it is woken, once the gateway is there, and now and then."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._woken = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    async def do_due(self) -> None:
        """Do what is due. What fails is due again."""
        raise NotImplementedError

    async def cog_load(self) -> None:
        """Begin."""
        self._running = asyncio.create_task(self._run(), name=type(self).__name__)

    async def cog_unload(self) -> None:
        """End."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        await self._client.wait_until_ready()
        while True:
            self._woken.clear()
            try:
                await self.do_due()
            except Exception:  # whatever it is: it stays due
                log.exception("%s failed; they are tried again", type(self).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._woken.wait()

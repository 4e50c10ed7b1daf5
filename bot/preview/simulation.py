"""The simulated Discord with the bot on it, in two makes: live, and as simcord ships it, for a simcord that
the live make was not written for. It needs simcord, so it is imported only when a preview is opened."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import discord
from simcord import Env
from simcord.backend import Backend
from simcord.preview import Preview

from bot.preview.errors import PreviewError
from bot.preview.world import World, avatars

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 10.0  # seconds for the bot to close


class Simulation(Protocol):
    """What `open_preview` needs of either make."""

    @property
    def env(self) -> Env:
        """simcord's environment."""

    def changes(self) -> int:
        """A number that is another one when anything has happened."""

    async def start(self) -> None:
        """Log the bot in and wait until it is ready."""

    async def close(self) -> None:
        """Close the bot and end what it left running."""

    def page(
        self, world: World, *, secret: str, port: int, locale: str
    ) -> AbstractAsyncContextManager[Preview]:
        """Serve the page for as long as the context is open."""


def make_simulation(bot: discord.Client, backend: Backend | None) -> tuple[Simulation, list[str]]:
    """The live make, or the stock one together with the names that this simcord lacks for the live one."""
    try:
        from bot.preview.simcord_live import missing_names

        missing = missing_names()
    except ImportError as error:
        missing = [str(error)]
    return (StockSimulation(bot, backend) if missing else LiveSimulation(bot, backend)), missing


class StockSimulation:
    """simcord as it is: the page shows what the bot did once the bot has come to rest."""

    def __init__(self, bot: discord.Client, backend: Backend | None) -> None:
        self.env = Env(bot, check_errors=False)
        self.env.backend = backend or self.env.backend

    def changes(self) -> int:
        return len(self.env.backend.transcript)

    async def start(self) -> None:
        try:
            await self.env.start()
        except TimeoutError as error:
            raise PreviewError(f"This version of simcord needs a bot that comes to rest: {error}") from error

    async def close(self) -> None:
        await self.env.shutdown()
        await self.env.bot.close()

    @asynccontextmanager
    async def page(self, world: World, *, secret: str, port: int, locale: str) -> AsyncIterator[Preview]:
        del secret  # simcord makes its own
        page = self.env.preview(
            world.channel, viewers=world.members, layout="channel", port=port, locale=locale,
            timezone=local_timezone(), assets=avatars(self.env),
        )  # fmt: skip
        async with page:
            yield page


class LiveSimulation:
    """simcord in real time, with a page that follows the bot."""

    def __init__(self, bot: discord.Client, backend: Backend | None) -> None:
        from bot.preview.simcord_live import LiveEnv

        self.env = LiveEnv(bot, backend)

    def changes(self) -> int:
        return self.env.backend.changes

    async def start(self) -> None:
        await self.env.start()
        await self.env.sync_missing_commands()

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.env.close_bot()
        except TimeoutError:
            log.warning("The bot did not close within %.0f seconds.", CLOSE_TIMEOUT)
        except Exception:
            log.exception("The bot did not close cleanly")
        await self.env.shutdown()

    @asynccontextmanager
    async def page(self, world: World, *, secret: str, port: int, locale: str) -> AsyncIterator[Preview]:
        from bot.preview.page import LivePage
        from bot.preview.simcord_live import LivePreview

        for member in world.members:
            self.env.backend.locales.setdefault(member.id, locale)
        preview = LivePreview(
            self.env, world.channel, world.members, secret=secret, port=port, locale=locale,
            timezone=local_timezone(), assets=avatars(self.env),
        )  # fmt: skip
        LivePage(preview)
        async with preview, background(preview.keep_pages_live()):
            yield preview


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this beside the body, and stop it with the body. That it failed is logged, not raised."""
    task = asyncio.create_task(work)
    task.add_done_callback(_report)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("Work in the background of the preview failed", exc_info=error)


def local_timezone() -> str:
    """This machine's time zone by its IANA name, or UTC where it has none."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    with suppress(OSError):
        candidates.append(str(Path("/etc/localtime").readlink()).partition("zoneinfo/")[2])
    with suppress(OSError):
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8").strip())
    for name in filter(None, candidates):
        with suppress(Exception):
            return ZoneInfo(name).key
    return "UTC"

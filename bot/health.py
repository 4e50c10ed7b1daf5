"""How the parts are that the bot lives on, measured now. Values only; `bot.discord.admin.health` has the words, and
`bot.doctor` looks at an installation that does not run yet."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bot.database.connection import Database
from bot.database.tables import Direction
from bot.errors import BotError, WorkerBusy, WorkerRefused
from bot.moderation.service import ModerationService, Passage
from bot.queue.repository import JobQueue, Limits
from bot.settings import Settings
from bot.worker_client import Worker

PATIENCE = 6.0
"""Seconds that a part has to answer."""
_SLOW_DATABASE, _SLOW_WORKER, _SLOW_WIKIPEDIA, _SLOW_DISCORD = 0.25, 1.0, 3.0, 1.0
_LONG_WAIT = 300.0
_NEARLY_FULL = 0.8


class Part(enum.StrEnum):
    """What is looked at."""

    DISCORD = "discord"
    WORKER = "worker"
    DATABASE = "database"
    WIKIPEDIA = "wikipedia"
    MODERATION = "moderation"
    QUEUE = "queue"


class State(enum.IntEnum):
    """How a part is; the higher, the worse."""

    GOOD = 0
    WORN = 1
    BAD = 2


class Trouble(enum.Enum):
    """What is the matter with it."""

    AWAY = enum.auto()
    SLOW = enum.auto()
    BUSY = enum.auto()
    REFUSED = enum.auto()
    FORBIDDEN = enum.auto()
    NEARLY_FULL = enum.auto()
    LONG_WAIT = enum.auto()


@dataclass(frozen=True)
class Reading:
    """What was found of a part. `seconds` is how long it took to answer; `facts` are numbers and names of its own."""

    part: Part
    state: State = State.GOOD
    trouble: Trouble | None = None
    seconds: float | None = None
    facts: tuple[tuple[str, str | int | float], ...] = ()

    def fact(self, name: str) -> str | int | float | None:
        """One of the facts."""
        return dict(self.facts).get(name)


class WikipediaForbids(BotError):
    """Wikipedia refuses the User-Agent."""


async def ask_wikipedia(settings: Settings) -> None:
    """One small question to the English Wikipedia, past all caches.

    Raises:
        WikipediaForbids, aiohttp.ClientError, OSError, TimeoutError: there was no answer to it.
    """
    url = settings.wikipedia_url.replace("{code}", "en")
    query = {"action": "query", "meta": "siteinfo", "format": "json"}
    headers = {"User-Agent": settings.wikipedia_user_agent}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers=headers) as response,
    ):
        if response.status == 403:
            raise WikipediaForbids
        response.raise_for_status()
        await response.read()


class Health:
    """Looks at every part, all at the same time. `latency` is Discord's, in seconds."""

    def __init__(
        self,
        database: Database,
        worker: Worker,
        limits: Limits,
        *,
        wikipedia: Callable[[], Awaitable[None]],
        moderation: ModerationService | None,
        latency: Callable[[], float],
    ) -> None:
        self._database = database
        self._worker = worker
        self._limits = limits
        self._wikipedia = wikipedia
        self._moderation = moderation
        self._latency = latency

    async def examine(self) -> list[Reading]:
        """How each part is; never raises for one that is away."""
        looks: list[tuple[Part, Callable[[], Coroutine[Any, Any, Reading]]]] = [
            (Part.WORKER, self._look_at_worker),
            (Part.DATABASE, self._look_at_database),
            (Part.WIKIPEDIA, self._look_at_wikipedia),
            (Part.QUEUE, self._look_at_queue),
        ]
        if self._moderation is not None:
            looks.append((Part.MODERATION, self._look_at_moderation))
        found = await asyncio.gather(*(_timed(part, look) for part, look in looks))
        return [self.discord(), *sorted(found, key=lambda reading: list(Part).index(reading.part))]

    def discord(self) -> Reading:
        """The time between a heartbeat and its acknowledgement."""
        latency = self._latency()
        if not latency < float("inf"):  # NaN, too: no heartbeat was acknowledged yet
            return Reading(Part.DISCORD, State.WORN, Trouble.SLOW)
        slow = latency > _SLOW_DISCORD
        return Reading(
            Part.DISCORD, State.WORN if slow else State.GOOD, Trouble.SLOW if slow else None, latency
        )

    async def _look_at_worker(self) -> Reading:
        try:
            info = await self._worker.describe(fresh=True)
        except WorkerBusy:
            return Reading(Part.WORKER, State.WORN, Trouble.BUSY)
        except WorkerRefused:
            return Reading(Part.WORKER, State.BAD, Trouble.REFUSED)
        return Reading(Part.WORKER, facts=(("model", info.model), ("slots", info.slots)))

    async def _look_at_database(self) -> Reading:
        async with self._database.reading() as session:
            await session.execute(text("SELECT 1"))
        return Reading(Part.DATABASE, facts=(("kind", self._database.dialect),))

    async def _look_at_wikipedia(self) -> Reading:
        try:
            await self._wikipedia()
        except WikipediaForbids:
            return Reading(Part.WIKIPEDIA, State.WORN, Trouble.FORBIDDEN)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Reading(Part.WIKIPEDIA, State.WORN, Trouble.AWAY)  # answers come without it
        return Reading(Part.WIKIPEDIA)

    async def _look_at_moderation(self) -> Reading:
        assert self._moderation is not None  # noqa: S101 -- looked at by `examine`
        await self._moderation.judge(Passage("A gull flew over the harbour.", Direction.INPUT))
        return Reading(Part.MODERATION)

    async def _look_at_queue(self) -> Reading:
        async with self._database.reading() as session:
            load = await JobQueue(session, self._limits).load()
        facts = (
            ("waiting", load.waiting),
            ("running", load.running),
            ("limit", self._limits.queue),
            ("oldest", load.oldest_seconds),
        )
        trouble = None
        if load.waiting >= self._limits.queue * _NEARLY_FULL:
            trouble = Trouble.NEARLY_FULL
        elif load.oldest_seconds > _LONG_WAIT:
            trouble = Trouble.LONG_WAIT
        return Reading(Part.QUEUE, State.WORN if trouble else State.GOOD, trouble, facts=facts)


_SLOW = {Part.WORKER: _SLOW_WORKER, Part.DATABASE: _SLOW_DATABASE, Part.WIKIPEDIA: _SLOW_WIKIPEDIA}


async def _timed(part: Part, look: Callable[[], Coroutine[Any, Any, Reading]]) -> Reading:
    """A reading with the time it took; whatever goes wrong is one, too."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            reading = await look()
    except (BotError, SQLAlchemyError, OSError, TimeoutError):
        state = State.WORN if part is Part.WIKIPEDIA else State.BAD
        return Reading(part, state, Trouble.AWAY)
    seconds = time.monotonic() - began
    if reading.trouble is None and seconds > _SLOW.get(part, PATIENCE):
        return replace(reading, state=State.WORN, trouble=Trouble.SLOW, seconds=seconds)
    return replace(reading, seconds=seconds)

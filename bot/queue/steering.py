"""The queue as admins see and steer it: what waits and runs in a server, or everywhere for whoever runs the bot. Each
step is one transaction that also writes it into the server's log. Knows no Discord: ids in, values out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from bot.database.connection import Database
from bot.database.tables import Conversation, Job, JobKind, JobStatus, Message, MessageStatus, PauseMode
from bot.guilds.repository import GuildRepository
from bot.metrics.events import Events
from bot.queue.pauses import EVERYWHERE, Pauses, is_held
from bot.queue.repository import JobQueue, Limits

MOST_SHOWN = 25
"""Requests of each kind that are listed; Discord's selects hold as many."""


@dataclass(frozen=True)
class Entry:
    """A request. `position` is 0 while it is written; `held`: a pause keeps it from being begun."""

    job_id: int
    answer_id: int
    member_id: int
    guild_id: int | None
    thread_id: int | None
    kind: JobKind
    asked_at: datetime
    started_at: datetime | None
    attempts: int
    position: int
    held: bool


@dataclass(frozen=True)
class View:
    """The queue in one server, or everywhere. The lists end at `MOST_SHOWN`, the counts do not."""

    running: list[Entry]
    waiting: list[Entry]
    running_count: int
    waiting_count: int
    pauses: list[tuple[int, PauseMode, datetime]]
    seconds_per_answer: float | None

    def mode(self, guild_id: int) -> PauseMode | None:
        """How the requests of a server, or (0) everybody's, are held up."""
        return next((mode for guild, mode, _ in self.pauses if guild == guild_id), None)


class QueueSteering:
    """What admins do with the queue. A `scope` is a server's id, or None for all servers."""

    def __init__(
        self,
        database: Database,
        limits: Limits,
        *,
        wake: Callable[[], None],
        stopped: Callable[[int, bool], Awaitable[None]],
        events: Events | None = None,
    ) -> None:
        self._database = database
        self._limits = limits
        self._wake = wake
        self._stopped = stopped
        self._events = events

    async def view(self, scope: int | None) -> View:
        """What waits and runs."""
        async with self._database.reading() as session:
            queue = JobQueue(session, self._limits)
            places = {job_id: place for place, job_id in enumerate(await queue.waiting(), 1)}
            seconds = await queue.seconds_per_answer()
            pauses = [(row.guild_id, row.mode, row.since) for row in await Pauses(session).of(scope)]
            found = await session.execute(
                select(Job, Conversation.thread_id, is_held())
                .join(Conversation, Conversation.id == Job.conversation_id)
                .where(*_within(scope), Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
            )
            entries = [
                _entry(job, thread_id, places.get(job.id, 0), bool(held)) for job, thread_id, held in found
            ]
        running = sorted((e for e in entries if not e.position), key=lambda e: e.started_at or e.asked_at)
        waiting = sorted((e for e in entries if e.position), key=lambda e: e.position)
        return View(running[:MOST_SHOWN], waiting[:MOST_SHOWN], len(running), len(waiting), pauses, seconds)

    async def cancel(self, job_id: int, scope: int | None, *, log_guild: int, actor_id: int) -> Entry | None:
        """Stop a request, whoever's it is; what is written of its answer stays. None where it is over already, or not
        within the scope. `log_guild` is the server in whose log it is noted."""
        async with self._database.transaction() as session:
            found = await session.execute(
                select(Job, Conversation.thread_id)
                .join(Conversation, Conversation.id == Job.conversation_id)
                .where(
                    Job.id == job_id, *_within(scope), Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))
                )
                .with_for_update(of=Job)
            )
            if (row := found.one_or_none()) is None:
                return None
            job, thread_id = row
            waited = job.status == JobStatus.QUEUED
            await JobQueue(session, self._limits, self._events).ask_to_stop(job)
            if waited:
                answer = await session.get_one(Message, job.answer_id)
                if answer.status in (MessageStatus.WAITING, MessageStatus.STREAMING):
                    answer.status = MessageStatus.STOPPED
            details = {"member": job.member_id, "thread": thread_id, "waited": waited}
            GuildRepository(session).note(log_guild, actor_id, "queue cancel", details)
            entry = _entry(job, thread_id, int(waited), held=False)
        await self._stopped(entry.answer_id, waited)
        return entry

    async def hold(self, scope: int | None, mode: PauseMode, *, log_guild: int, actor_id: int) -> bool:
        """Pause or drain. False where it is so already."""
        async with self._database.transaction() as session:
            changed = await Pauses(session).set(EVERYWHERE if scope is None else scope, mode)
            if changed:
                details = {"mode": mode.value, "everywhere": scope is None}
                GuildRepository(session).note(log_guild, actor_id, "queue hold", details)
        return changed

    async def resume(self, scope: int | None, *, log_guild: int, actor_id: int) -> bool:
        """Go on. False where nothing held it up."""
        async with self._database.transaction() as session:
            lifted = await Pauses(session).lift(EVERYWHERE if scope is None else scope)
            if lifted:
                details = {"everywhere": scope is None}
                GuildRepository(session).note(log_guild, actor_id, "queue resume", details)
        self._wake()
        return lifted


def _within(scope: int | None) -> Sequence[ColumnElement[bool]]:
    return () if scope is None else (Job.guild_id == scope,)


def _entry(job: Job, thread_id: int | None, position: int, held: bool) -> Entry:
    return Entry(
        job.id,
        job.answer_id,
        job.member_id,
        job.guild_id,
        thread_id,
        job.kind,
        job.created_at,
        job.started_at,
        job.attempts,
        position,
        held,
    )

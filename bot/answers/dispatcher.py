"""The loop that keeps the worker busy: claims jobs as slots free up, holds their leases, passes stop requests on,
takes back what stalled, and tells those who wait where they stand."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.answers.store import AnswerStore
from bot.answers.writer import Writer
from bot.database.connection import Database
from bot.database.tables import Conversation, Job, Member, Message, PauseMode, now
from bot.database.turns import Urgency, waiting_as
from bot.errors import BotError
from bot.queue.pauses import EVERYWHERE, Pauses
from bot.queue.repository import JobQueue, Limits, Place, place_of

log = logging.getLogger(__name__)

_IDLE_POLL = 1.0
# Who waits less than this sees no notice of the queue.
_NOTICE_AFTER = timedelta(seconds=2)
_NOTICE_EVERY = 5.0
# Of how many who wait the places are told, each second.
_TOLD = 50


@dataclass(frozen=True)
class Overview:
    """How much is being written and waits, and where a member's own requests stand, by thread. `pause` is how the
    requests of the member's server are held up."""

    running: int
    waiting: int
    own: list[tuple[int | None, Place]]
    pause: PauseMode | None = None


class Dispatcher:
    """Runs writers over the queue, `slots` at a time, in this process."""

    def __init__(
        self,
        database: Database,
        store: AnswerStore,
        writer: Writer,
        limits: Limits,
        *,
        lease: timedelta,
        slots: int | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._writer = writer
        self._limits = limits
        self._lease = lease
        self._slots = slots
        self._running: dict[int, tuple[Job, asyncio.Task[None], asyncio.Event]] = {}
        self._wake = asyncio.Event()
        self._notices: dict[int, tuple[Place, float]] = {}
        self._telling: dict[int, asyncio.Event] = {}

    @property
    def slots(self) -> int:
        """Answers written at the same time."""
        return self._slots or 1

    @property
    def running(self) -> int:
        """Answers that this process is writing now."""
        return len(self._running)

    def wake(self) -> None:
        """Something was queued: look at once."""
        self._wake.set()

    def stop(self, answer_id: int) -> None:
        """Stop writing this answer, if this process does."""
        for job, _, stop in self._running.values():
            if job.answer_id == answer_id:
                stop.set()

    async def stopped(self, answer_id: int, waited: bool) -> None:
        """Somebody else than its member has stopped an answer, which `waited` to be begun: say so in its thread."""
        self.stop(answer_id)
        if waited:
            try:
                await self.show_again(answer_id)
            except (BotError, SQLAlchemyError, OSError) as error:
                log.info("could not show that answer %s is stopped: %s", answer_id, error)

    async def run(self) -> None:
        """Serve until cancelled; then running answers go back to the queue."""
        try:
            await self._take_back(dead_owners=True)
        except (SQLAlchemyError, OSError):
            log.exception("could not look for what an earlier process left; their leases run out")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._claim_loop(), name="claim")
                group.create_task(
                    self._every(min(1.0, self._lease.total_seconds() / 4), self._hold), name="hold"
                )
                group.create_task(
                    self._every(self._lease.total_seconds() / 2, self._take_back), name="take-back"
                )
                group.create_task(self._every(1.0, self._tell_places), name="places")
        finally:
            tasks = [task for _, task, _ in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()
            except Exception:  # whatever it is, a database that is away above all: the next round tries again
                log.exception("a step of the dispatcher failed; it is tried again")

    async def _claim_loop(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._slots is None:
                    self._slots = await self._writer.slots()
                claimed = len(self._running) < self.slots and await self._claim()
            except (SQLAlchemyError, OSError, BotError) as error:
                log.warning("cannot take from the queue just now: %s", error)
                claimed = False
            if not claimed:
                # Not `wait_for`: before Python 3.12 it can lose a cancellation that comes with the wake-up.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_POLL):
                        await self._wake.wait()

    async def _claim(self) -> bool:
        try:
            job = await self._store.claim(self._lease)
        except IntegrityError:
            return True  # another process began an answer in the same thread at the same instant: look again
        if job is None:
            return False
        if (earlier := self._running.get(job.id)) is not None:
            earlier[1].cancel()  # our own lease on it had run out; what it writes now is no longer kept
        stop = asyncio.Event()
        if job.cancel_requested:
            stop.set()
        self._notices.pop(job.id, None)
        task = asyncio.create_task(self._write(job, stop), name=f"answer-{job.answer_id}")
        self._running[job.id] = (job, task, stop)
        task.add_done_callback(lambda done: self._done(job.id, done))
        return True

    def _waits(self, job_id: int) -> bool:
        return job_id not in self._running

    async def _write(self, job: Job, stop: asyncio.Event) -> None:
        await self._told(job.id)
        await self._writer.write(job, stop)

    def _done(self, job_id: int, task: asyncio.Task[None]) -> None:
        if (entry := self._running.get(job_id)) is not None and entry[1] is task:
            del self._running[job_id]
        self._wake.set()

    async def _hold(self) -> None:
        if not self._running:
            return
        entries, leases = dict(self._running), self._leases()
        with waiting_as(Urgency.URGENT):
            async with self._database.transaction() as session:
                queue = JobQueue(session, self._limits)
                held = await queue.hold(leases, self._lease)
                cancelled = await queue.cancelled_among(list(leases))
        for job_id, (_, task, stop) in entries.items():
            if job_id in cancelled:
                stop.set()
            elif job_id not in held and not task.done():
                log.warning("the lease on job %s was lost", job_id)
                task.cancel()

    async def _take_back(self, *, dead_owners: bool = False) -> None:
        failed = await self._store.take_back(dead_owners=dead_owners, ours=self._leases(), lease=self._lease)
        for job in failed:
            await self._writer.show_failure(job)

    def _leases(self) -> dict[int, str]:
        """The `lease_owner` of each job that this process is writing."""
        return {job_id: str(job.lease_owner) for job_id, (job, _, _) in self._running.items()}

    async def _tell_places(self) -> None:
        """Show or refresh the notices of those who wait and whose place has changed."""
        async with self._database.reading() as session:
            queue = JobQueue(session, self._limits)
            waiting = await queue.waiting()
            held = await queue.held_up() if waiting else set()
            seconds = await queue.seconds_per_answer() if waiting else None
            # Those that are held up are told once, however many they are.
            untold = [job_id for job_id in waiting[_TOLD:] if job_id in held and job_id not in self._notices]
            jobs = [await session.get_one(Job, job_id) for job_id in waiting[:_TOLD] + untold[:_TOLD]]
        self._notices = {job_id: notice for job_id, notice in self._notices.items() if job_id in waiting}
        # A notice would stand between the parts of the answer that is being written in its thread.
        busy = {job.conversation_id for job, _, _ in self._running.values()}
        for job in jobs:
            place = place_of(job.id, waiting, seconds, self.slots, held)
            opening = job.started_at is None and job.not_before is not None and job.not_before > now()
            fresh = job.created_at > now() - _NOTICE_AFTER
            if place is None or opening or fresh or job.conversation_id in busy:
                continue
            if job.id in self._running or not self._writer.reaches(job):  # it may have been taken meanwhile
                continue
            last = self._notices.get(job.id)
            if last and (_same(last[0], place) or time.monotonic() - last[1] < _NOTICE_EVERY):
                continue
            self._notices[job.id] = (place, time.monotonic())
            told = self._telling[job.id] = asyncio.Event()
            try:
                await self._writer.show_place(job, place, partial(self._waits, job.id))
            except (BotError, SQLAlchemyError, OSError) as error:
                log.info("no notice for job %s: %s", job.id, error)
            finally:
                del self._telling[job.id]
                told.set()

    async def show_again(self, answer_id: int) -> None:
        """Show an answer as its row has it: another sibling, or one stopped before it began."""
        async with self._database.reading() as session:
            query = select(Job).where(Job.answer_id == answer_id).order_by(Job.id.desc()).limit(1)
            job = (await session.scalars(query)).one_or_none() or await self._stand_in(session, answer_id)
        if job is not None:
            await self._told(job.id)
            await self._writer.show_again(job)

    async def _told(self, job_id: int | None) -> None:
        """Return when a notice has come that is just being shown in the place of the job's answer: later it would stand
        over what is shown next."""
        if job_id is not None and (telling := self._telling.get(job_id)) is not None:
            await telling.wait()

    @staticmethod
    async def _stand_in(session: AsyncSession, answer_id: int) -> Job | None:
        """In place of the job of an answer, where that was removed for its age."""
        answer = await session.get(Message, answer_id)
        if answer is None:
            return None
        story = await session.get_one(Conversation, answer.conversation_id)
        opener = await session.get(Member, story.opener_id)
        return Job(
            conversation_id=story.id,
            answer_id=answer.id,
            member_id=story.opener_id,
            guild_id=story.guild_id,
            locale=opener.locale if opener is not None else None,
        )

    async def overview(self, member_id: int, guild_id: int | None = None) -> Overview:
        """The queue as one member sees it."""
        async with self._database.reading() as session:
            queue = JobQueue(session, self._limits)
            waiting = await queue.waiting()
            held = await queue.held_up()
            pauses = await Pauses(session).of(guild_id or EVERYWHERE)
            seconds = await queue.seconds_per_answer()
            running = await queue.running()
            own = await queue.threads_of(member_id)
        places = [(thread, place_of(job_id, waiting, seconds, self.slots, held)) for job_id, thread in own]
        # A pause is the stronger of the two, and the one for all comes first.
        pause = min((row.mode for row in pauses), key=list(PauseMode).index, default=None)
        return Overview(running, len(waiting), [(thread, place) for thread, place in places if place], pause)


def _same(told: Place, place: Place) -> bool:
    """Whether a place would be told in the same words."""
    return told.held == place.held and (place.held or told.position == place.position)

"""The queue's rows: enqueue, claim, hold, end. Fair by turns: who asked or was served longest ago goes first.

Claiming is one statement on SQLite, and `FOR UPDATE SKIP LOCKED` on PostgreSQL; a partial unique index keeps one
running answer a conversation. Flushes, never commits: who opened the transaction does."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    event,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from bot.database.tables import (
    Conversation,
    Job,
    JobKind,
    JobStatus,
    Member,
    Message,
    MessageStatus,
    UtcDateTime,
    now,
)
from bot.errors import QueueDraining, QueueFull, TooManyWaiting
from bot.limits.concurrency import guild_has_room, overfills, overfills_member
from bot.metrics.events import Events, Outcome
from bot.queue.pauses import Pauses, is_held
from bot.queue.shard import ALL, Shard, is_covered

MAX_ATTEMPTS = 3
# How long a request waits for a worker that is away before it is given up, visibly.
PATIENCE = timedelta(minutes=15)
# How many finished jobs the expected time is measured on.
_SAMPLE = 20


@dataclass(frozen=True)
class Limits:
    """How much may wait, and how much one member may have written at the same time."""

    queue: int
    member_waiting: int
    member_running: int


@dataclass(frozen=True)
class Place:
    """Where a job stands: 1 is next. `seconds` is None until an answer has been timed, and while a pause keeps the job
    from being begun (`held`)."""

    position: int
    seconds: float | None
    held: bool = False


@dataclass(frozen=True)
class Load:
    """How much is in the queue now; `oldest_seconds` is how long the one that waits longest has waited."""

    running: int
    waiting: int
    oldest_seconds: float


def new_owner() -> str:
    """A name for this process in leases: host, process, and a random part."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Whether a lease's owner ran on this host and runs no more. False where that cannot be told."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname()[:60] or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return True  # an earlier process that had our number, as the first process of a container has
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class JobQueue:
    """The queue, over one transaction. `events` are told of the answers that end in the queue, once that holds."""

    def __init__(self, session: AsyncSession, limits: Limits, events: Events | None = None) -> None:
        self._session = session
        self._limits = limits
        self._events = events

    async def add(
        self,
        *,
        conversation_id: int,
        answer_id: int,
        member_id: int,
        guild_id: int | None,
        locale: str | None,
        kind: JobKind = JobKind.ANSWER,
        member_concurrency: int | None = None,
    ) -> Job:
        """Queue one answer; `member_concurrency` is how many of its member's may be written at the same time, where
        a quota says so.

        Raises:
            QueueDraining: nothing more is taken just now.
            QueueFull: there is no room at all.
            TooManyWaiting: this member has enough waiting.
        """
        if await Pauses(self._session).drains(guild_id):
            raise QueueDraining
        if await self.is_full():
            raise QueueFull
        own = await self._count(Job.status == JobStatus.QUEUED, Job.member_id == member_id)
        if own >= self._limits.member_waiting:
            raise TooManyWaiting
        job = Job(
            conversation_id=conversation_id,
            answer_id=answer_id,
            member_id=member_id,
            guild_id=guild_id,
            locale=locale,
            kind=kind,
            member_concurrency=member_concurrency,
        )
        self._session.add(job)
        await self._session.flush()
        return job

    async def is_full(self, coming: int = 0) -> bool:
        """Whether as many wait as may, with `coming` that are about to."""
        return await self._count(Job.status == JobStatus.QUEUED) + coming >= self._limits.queue

    async def _count(self, *conditions: object) -> int:
        query = select(func.count()).select_from(Job).where(*conditions)  # type: ignore[arg-type]
        return int(await self._session.scalar(query) or 0)

    async def claim(self, owner: str, lease: timedelta, shard: Shard = ALL) -> Job | None:
        """Take the job of this shard whose turn it is, or None. Its `lease_owner` is new with every claim, so that who
        held an earlier lease on the same job, even this process itself, holds it no more.

        Raises:
            sqlalchemy.exc.IntegrityError: another process began an answer in the same conversation at the same
                instant (PostgreSQL only); claim again in a new transaction.
        """
        moment = now()
        values = {
            "at_moment": moment,
            "new_owner": f"{owner}:{secrets.token_hex(4)}",
            "new_lease": moment + lease,
            "member_room": self._limits.member_running,
        }
        if not shard.is_all:
            values |= {"shard_number": shard.number, "shard_count": shard.count}
        job = (await self._session.scalars(_claim(sharded=not shard.is_all), values)).one_or_none()
        if job is None:
            return None
        one_too_many = await overfills(self._session, job)
        if not one_too_many:
            await self._session.execute(
                update(Member).where(Member.id == job.member_id).values(last_claimed_at=moment)
            )
            one_too_many = await overfills_member(self._session, job, self._limits.member_running)
        if one_too_many:
            job.started_at = job.started_at if job.attempts > 1 else None
            self.put_back(job, fault=False)
            await self._session.flush()
            return None
        return job

    async def hold(self, leases: Mapping[int, str], lease: timedelta) -> set[int]:
        """Heartbeat: push on the leases, given as job id → its `lease_owner`. Returns the ids that are still held;
        the others were taken back."""
        statement = (
            update(Job)
            .where(Job.lease_owner.in_(leases.values()), Job.status == JobStatus.RUNNING)
            .values(lease_until=now() + lease)
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        return set(await self._session.scalars(statement))

    async def take_back(self, *, dead_owners: bool = False) -> list[Job]:
        """Queue again what stalled: leases run out and, with `dead_owners`, processes of this host that are gone.
        A job that stalled too often fails instead. Returns the failed ones."""
        query = select(Job).where(Job.status == JobStatus.RUNNING).with_for_update(skip_locked=True)
        failed = []
        moment = now()
        for job in await self._session.scalars(query):
            expired = job.lease_until is None or job.lease_until < moment
            dead = dead_owners and job.lease_owner is not None and is_dead(job.lease_owner)
            if not expired and not dead:
                continue
            if job.attempts >= MAX_ATTEMPTS and not dead:
                self.end(job, JobStatus.FAILED, "stalled too often")
                self._tell("failed", job)
                answer = await self._session.get_one(Message, job.answer_id)
                answer.status = MessageStatus.FAILED
                failed.append(job)
            else:
                job.status, job.lease_owner, job.lease_until = JobStatus.QUEUED, None, None
        await self._session.flush()
        return failed

    async def owned(self, claimed: Job) -> Job | None:
        """The job's row, locked, if it is still held by the lease under which it was claimed."""
        return (await self._session.scalars(self.held(claimed))).one_or_none()

    @staticmethod
    def held(claimed: Job) -> Select[Job]:
        """What selects, and locks, the job's row, if it is still held by the lease under which it was claimed."""
        return (
            select(Job)
            .where(
                Job.id == claimed.id,
                Job.lease_owner == claimed.lease_owner,
                Job.status == JobStatus.RUNNING,
            )
            .with_for_update()
        )

    def put_back(self, job: Job, *, after: float = 0.0, fault: bool = True, away: bool = False) -> bool:
        """Queue the job again, `after` seconds at the earliest. False where it was put back too often for a fault, or
        where the worker has been `away` for too long; one that only sleeps meanwhile was not."""
        job.away_since = (job.away_since or now()) if away else None
        if job.away_since is not None and now() - job.away_since > PATIENCE:
            return False
        if fault and job.attempts >= MAX_ATTEMPTS:
            return False
        if not fault:
            job.attempts = max(0, job.attempts - 1)
        job.status, job.lease_owner, job.lease_until = JobStatus.QUEUED, None, None
        job.not_before = now() + timedelta(seconds=after) if after > 0 else None
        return True

    @staticmethod
    def end(job: Job, status: JobStatus, error: str | None = None) -> None:
        """The job is over."""
        job.status, job.error = status, error[:400] if error else None
        job.lease_owner, job.lease_until, job.finished_at = None, None, now()

    async def request_cancel(self, answer_id: int) -> Job | None:
        """Ask for the job of an answer to stop: of several the newest that still writes, or else the newest. None:
        there is nothing to stop."""
        query = (
            select(Job)
            .where(Job.answer_id == answer_id, Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
            .order_by(Job.id)
            .with_for_update()
        )
        found = (await self._session.scalars(query)).all()
        job = max(found, key=lambda job: (not job.text_posted, job.id), default=None)
        if job is not None:
            await self.ask_to_stop(job)
        return job

    async def ask_to_stop(self, job: Job) -> None:
        """A queued job is over at once; a running one's holder is to look at `cancel_requested`."""
        job.cancel_requested = True
        if job.status == JobStatus.QUEUED:
            self.cancel(job)
        await self._session.flush()

    def cancel(self, job: Job, reason: str | None = None) -> None:
        """End a job that nobody has begun."""
        self.end(job, JobStatus.CANCELLED, reason)
        self._tell("cancelled", job)

    def _tell(self, outcome: Outcome, job: Job) -> None:
        """What ended here is counted when the transaction is committed, and not where it is rolled back."""
        if (events := self._events) is not None:
            seconds = (now() - job.created_at).total_seconds()
            event.listen(
                self._session.sync_session,
                "after_commit",
                lambda _: events.ended(outcome, seconds),
                once=True,
            )

    async def cancelled_among(self, job_ids: Sequence[int]) -> set[int]:
        """Those of these jobs that a member wants stopped."""
        query = select(Job.id).where(Job.id.in_(job_ids), Job.cancel_requested.is_(True))
        return set(await self._session.scalars(query))

    async def waiting(self) -> list[int]:
        """Ids of the queued jobs in the order of their turns, as far as it can be foreseen: by rounds, each
        member once a round, in the same order each; last of all those that a pause holds up."""
        turn = func.row_number().over(partition_by=Job.member_id, order_by=(Job.created_at, Job.id))
        first = func.min(_due()).over(partition_by=Job.member_id)
        query = (
            select(Job.id)
            .join(Member, Member.id == Job.member_id)
            .where(Job.status == JobStatus.QUEUED)
            .order_by(is_held(), turn, first, Job.created_at, Job.id)
        )
        return list(await self._session.scalars(query))

    async def held_up(self) -> set[int]:
        """Ids of the queued jobs that a pause keeps from being begun."""
        query = select(Job.id).where(Job.status == JobStatus.QUEUED, is_held())
        return set(await self._session.scalars(query))

    async def running(self) -> int:
        """How many answers are being written."""
        return await self._count(Job.status == JobStatus.RUNNING)

    async def load(self) -> Load:
        """How much there is of everything."""
        oldest = await self._session.scalar(
            select(func.min(Job.created_at)).where(Job.status == JobStatus.QUEUED)
        )
        waited = (now() - oldest).total_seconds() if oldest else 0.0
        waiting = await self._count(Job.status == JobStatus.QUEUED)
        return Load(await self.running(), waiting, max(0.0, waited))

    async def threads_of(self, member_id: int) -> list[tuple[int, int | None]]:
        """A member's queued jobs, each with its thread."""
        query = (
            select(Job.id, Conversation.thread_id)
            .join(Conversation, Conversation.id == Job.conversation_id)
            .where(Job.status == JobStatus.QUEUED, Job.member_id == member_id)
            .order_by(Job.created_at, Job.id)
        )
        return [(job_id, thread_id) for job_id, thread_id in await self._session.execute(query)]

    async def seconds_per_answer(self) -> float | None:
        """Mean time that the last finished answers took to write, or None."""
        query = (
            select(Job.started_at, Job.finished_at)
            .where(and_(Job.status == JobStatus.DONE, Job.started_at.is_not(None)))
            .order_by(Job.finished_at.desc())
            .limit(_SAMPLE)
        )
        spans = [
            (finished - started).total_seconds()
            for started, finished in await self._session.execute(query)
            if started is not None and finished is not None
        ]
        return sum(spans) / len(spans) if spans else None


def _due() -> ColumnElement[datetime]:
    """Since when it is a job's turn: since it was asked for, or since its member was last served, whichever is later.
    So members take turns, and nobody is passed by those who come after, whether or not they were ever served."""
    return case((Member.last_claimed_at > Job.created_at, Member.last_claimed_at), else_=Job.created_at)


@cache
def _claim(*, sharded: bool) -> ReturningUpdate[Job]:
    """What takes the job whose turn it is. Made once: making it takes longer than carrying it out."""
    running = aliased(Job)
    moment = bindparam("at_moment", type_=UtcDateTime)
    member_running = (
        select(func.count())
        .where(running.member_id == Job.member_id, running.status == JobStatus.RUNNING)
        .correlate(Job)
        .scalar_subquery()
    )
    conversation_busy = (
        select(running.id)
        .where(running.conversation_id == Job.conversation_id, running.status == JobStatus.RUNNING)
        .correlate(Job)
        .exists()
    )
    turn = (
        select(Job.id)
        .join(Member, Member.id == Job.member_id)
        .where(
            Job.status == JobStatus.QUEUED,
            or_(Job.not_before.is_(None), Job.not_before <= moment),
            member_running < func.coalesce(Job.member_concurrency, bindparam("member_room", type_=Integer)),
            ~conversation_busy,
            guild_has_room(),
            ~is_held(),
            *([is_covered(Job.guild_id)] if sharded else []),
        )
        .order_by(_due(), Job.created_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (
        update(Job)
        .where(Job.id == turn.scalar_subquery(), Job.status == JobStatus.QUEUED)
        .values(
            status=JobStatus.RUNNING,
            lease_owner=bindparam("new_owner", type_=String),
            lease_until=bindparam("new_lease", type_=UtcDateTime),
            attempts=Job.attempts + 1,
            started_at=func.coalesce(Job.started_at, moment),
        )
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def place_of(
    job_id: int,
    waiting: Sequence[int],
    seconds_per_answer: float | None,
    slots: int,
    held: Collection[int] = (),
) -> Place | None:
    """The place of a job among the waiting, and the seconds until its turn with `slots` answers written at a
    time, each taking `seconds_per_answer`; None where it waits no more. `held` are those that a pause holds up."""
    if job_id not in waiting:
        return None
    position = waiting.index(job_id) + 1
    if seconds_per_answer is None or job_id in held:
        return Place(position, None, held=job_id in held)
    return Place(position, position * seconds_per_answer / max(1, slots))

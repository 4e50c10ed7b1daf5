"""The queue's rows: enqueue, claim, hold, end. Fair by turns: the member served longest ago goes first, then age.

Claiming is one statement on SQLite, and `FOR UPDATE SKIP LOCKED` on PostgreSQL; a partial unique index keeps one
running answer a conversation. Flushes, never commits: who opened the transaction does."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.database.tables import Conversation, Job, JobKind, JobStatus, Member, Message, MessageStatus, now
from bot.errors import QueueFull, TooManyWaiting

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
    """Where a job stands: 1 is next. `seconds` is None until an answer has been timed."""

    position: int
    seconds: float | None


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
    """The queue, over one transaction."""

    def __init__(self, session: AsyncSession, limits: Limits) -> None:
        self._session = session
        self._limits = limits

    async def add(
        self,
        *,
        conversation_id: int,
        answer_id: int,
        member_id: int,
        guild_id: int | None,
        locale: str | None,
        kind: JobKind = JobKind.ANSWER,
    ) -> Job:
        """Queue one answer.

        Raises:
            QueueFull: there is no room at all.
            TooManyWaiting: this member has enough waiting.
        """
        waiting = await self._count(Job.status == JobStatus.QUEUED)
        if waiting >= self._limits.queue:
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
        )
        self._session.add(job)
        await self._session.flush()
        return job

    async def _count(self, *conditions: object) -> int:
        query = select(func.count()).select_from(Job).where(*conditions)  # type: ignore[arg-type]
        return int(await self._session.scalar(query) or 0)

    async def claim(self, owner: str, lease: timedelta) -> Job | None:
        """Take the job whose turn it is, or None. Its `lease_owner` is new with every claim, so that who held an
        earlier lease on the same job, even this process itself, holds it no more.

        Raises:
            sqlalchemy.exc.IntegrityError: another process began an answer in the same conversation at the same
                instant (PostgreSQL only); claim again in a new transaction.
        """
        moment = now()
        running = aliased(Job)
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
                member_running < self._limits.member_running,
                ~conversation_busy,
            )
            .order_by(Member.last_claimed_at.asc().nulls_first(), Job.created_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(Job)
            .where(Job.id == turn.scalar_subquery(), Job.status == JobStatus.QUEUED)
            .values(
                status=JobStatus.RUNNING,
                lease_owner=f"{owner}:{secrets.token_hex(4)}",
                lease_until=moment + lease,
                attempts=Job.attempts + 1,
                started_at=func.coalesce(Job.started_at, moment),
            )
            .returning(Job)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        job = (await self._session.scalars(statement)).one_or_none()
        if job is not None:
            await self._session.execute(
                update(Member).where(Member.id == job.member_id).values(last_claimed_at=moment)
            )
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
                answer = await self._session.get_one(Message, job.answer_id)
                answer.status = MessageStatus.FAILED
                failed.append(job)
            else:
                job.status, job.lease_owner, job.lease_until = JobStatus.QUEUED, None, None
        await self._session.flush()
        return failed

    async def owned(self, claimed: Job) -> Job | None:
        """The job's row, locked, if it is still held by the lease under which it was claimed."""
        query = (
            select(Job)
            .where(
                Job.id == claimed.id,
                Job.lease_owner == claimed.lease_owner,
                Job.status == JobStatus.RUNNING,
            )
            .with_for_update()
        )
        return (await self._session.scalars(query)).one_or_none()

    def put_back(self, job: Job, *, after: float = 0.0, fault: bool = True, away: bool = False) -> bool:
        """Queue the job again, `after` seconds at the earliest. False where it was put back too often for a fault, or
        where the worker has been `away` for too long."""
        if away:
            job.away_since = job.away_since or now()
            if now() - job.away_since > PATIENCE:
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
        """Ask for the job of an answer to stop. A queued one is over at once; a running one's holder is to look
        at `cancel_requested`. None: there is nothing to stop."""
        query = (
            select(Job)
            .where(Job.answer_id == answer_id, Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
            .with_for_update()
        )
        job = (await self._session.scalars(query)).first()
        if job is None:
            return None
        job.cancel_requested = True
        if job.status == JobStatus.QUEUED:
            self.end(job, JobStatus.CANCELLED)
        await self._session.flush()
        return job

    async def cancelled_among(self, job_ids: Sequence[int]) -> set[int]:
        """Those of these jobs that a member wants stopped."""
        query = select(Job.id).where(Job.id.in_(job_ids), Job.cancel_requested.is_(True))
        return set(await self._session.scalars(query))

    async def waiting(self) -> list[int]:
        """Ids of the queued jobs in the order of their turns, as far as it can be foreseen: by rounds, each
        member once a round, the member served longest ago first."""
        turn = func.row_number().over(partition_by=Job.member_id, order_by=(Job.created_at, Job.id))
        query = (
            select(Job.id)
            .join(Member, Member.id == Job.member_id)
            .where(Job.status == JobStatus.QUEUED)
            .order_by(turn, Member.last_claimed_at.asc().nulls_first(), Job.created_at, Job.id)
        )
        return list(await self._session.scalars(query))

    async def running(self) -> int:
        """How many answers are being written."""
        return await self._count(Job.status == JobStatus.RUNNING)

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


def place_of(
    job_id: int, waiting: Sequence[int], seconds_per_answer: float | None, slots: int
) -> Place | None:
    """The place of a job among the waiting, and the seconds until its turn with `slots` answers written at a
    time, each taking `seconds_per_answer`; None where it waits no more."""
    if job_id not in waiting:
        return None
    position = waiting.index(job_id) + 1
    if seconds_per_answer is None:
        return Place(position, None)
    return Place(position, position * seconds_per_answer / max(1, slots))

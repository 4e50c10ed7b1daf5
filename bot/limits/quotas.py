"""The quotas of the servers, as rows, and what was used of them: counted from the jobs of the last 24 hours.

Counted is what was answered or will be: answers, new tries and continuations. What failed or was stopped before it
began is not. Flushes, never commits: who opened the transaction does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import Job, JobStatus, Member, Quota, QuotaSubject, now
from bot.errors import QuotaReached
from bot.limits.rules import guild_allowance, member_allowance

DAY = timedelta(hours=24)
_COUNTED = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.DONE)


class Quotas:
    """The quotas, over one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of_guild(self, guild_id: int) -> Sequence[Quota]:
        """A server's quotas: its own first, then everyone's, roles', members'."""
        query = select(Quota).where(Quota.guild_id == guild_id).order_by(Quota.subject_id)
        order = list(QuotaSubject)
        return sorted(await self._session.scalars(query), key=lambda quota: order.index(quota.subject))

    async def set(
        self,
        guild_id: int,
        subject: QuotaSubject,
        subject_id: int,
        *,
        answers_per_day: int | None,
        concurrency: int | None,
    ) -> None:
        """Give somebody a quota, in place of an earlier one."""
        await self.remove(guild_id, subject, subject_id)
        self._session.add(
            Quota(
                guild_id=guild_id,
                subject=subject,
                subject_id=subject_id,
                answers_per_day=answers_per_day,
                concurrency=concurrency,
            )
        )
        await self._session.flush()

    async def remove(self, guild_id: int, subject: QuotaSubject, subject_id: int) -> bool:
        """Take a quota away. Whether there was one."""
        statement = (
            delete(Quota)
            .where(Quota.guild_id == guild_id, Quota.subject == subject, Quota.subject_id == subject_id)
            .returning(Quota.id)
        )
        return (await self._session.scalars(statement)).first() is not None

    async def admit(self, guild_id: int | None, member_id: int, role_ids: Collection[int]) -> int | None:
        """See that the member may have another answer. Returns how many of theirs may be written at the same time,
        or None where no quota says.

        Raises:
            QuotaReached: their answers of the last 24 hours are used up, or the server's.
        """
        if guild_id is None:
            return None
        quotas = await self.of_guild(guild_id)
        own, all_together = member_allowance(quotas, member_id, role_ids), guild_allowance(quotas)
        if own.answers_per_day is not None:
            # So that two requests that come at once are not both the last one. SQLite has one writer anyway.
            await self._session.execute(select(Member.id).where(Member.id == member_id).with_for_update())
            conditions = (Job.guild_id == guild_id, Job.member_id == member_id)
            await self._refuse_above(own.answers_per_day, conditions, everybody=False)
        if all_together.answers_per_day is not None:
            await lock_guild(self._session, guild_id)
            await self._refuse_above(
                all_together.answers_per_day, (Job.guild_id == guild_id,), everybody=True
            )
        return own.concurrency

    async def _refuse_above(
        self, limit: int, whose: tuple[ColumnElement[bool], ...], *, everybody: bool
    ) -> None:
        used = (*whose, Job.created_at > now() - DAY, Job.status.in_(_COUNTED))
        count = await self._session.scalar(select(func.count()).select_from(Job).where(*used)) or 0
        if count < limit:
            return
        free_at: datetime | None = None
        if limit > 0:
            oldest = select(Job.created_at).where(*used).order_by(Job.created_at)
            last_to_go = await self._session.scalar(oldest.offset(count - limit).limit(1))
            free_at = last_to_go + DAY if last_to_go else None
        raise QuotaReached(limit, free_at, everybody=everybody)


async def lock_guild(session: AsyncSession, guild_id: int) -> None:
    """Keep others from counting what a server uses until the transaction ends. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": guild_id})

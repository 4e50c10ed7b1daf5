"""How many answers of a server may be written at the same time, as the queue's claim asks for it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.database.tables import Job, JobStatus, Quota, QuotaSubject
from bot.limits.quotas import lock_guild


def guild_has_room() -> ColumnElement[bool]:
    """Whether the server of a `Job` in the surrounding query may have one more answer written. The servers that are
    full are found once, not for each job."""
    running = aliased(Job)
    written = (
        select(func.count())
        .where(running.guild_id == Quota.guild_id, running.status == JobStatus.RUNNING)
        .correlate(Quota)
        .scalar_subquery()
    )
    full = select(Quota.guild_id).where(Quota.subject == QuotaSubject.GUILD, Quota.concurrency <= written)
    return or_(Job.guild_id.is_(None), Job.guild_id.not_in(full))


async def overfills(session: AsyncSession, job: Job) -> bool:
    """Whether a job that was just claimed is one too many for its server, since another process claimed one at the
    same instant. Where there is one writer at a time, as with SQLite, that does not happen."""
    if job.guild_id is None or session.get_bind().dialect.name != "postgresql":
        return False
    query = select(Quota.concurrency).where(
        Quota.guild_id == job.guild_id, Quota.subject == QuotaSubject.GUILD
    )
    limit = await session.scalar(query)
    if limit is None:
        return False
    await lock_guild(session, job.guild_id)  # whoever had it has committed: a new statement sees their claim
    running = select(func.count()).where(Job.guild_id == job.guild_id, Job.status == JobStatus.RUNNING)
    return (await session.scalar(running) or 0) > limit


async def overfills_member(session: AsyncSession, job: Job, room: int) -> bool:
    """The same for its member, whose row this transaction has locked; `room` is for those whose job says nothing."""
    if session.get_bind().dialect.name != "postgresql":
        return False
    running = select(func.count()).where(Job.member_id == job.member_id, Job.status == JobStatus.RUNNING)
    return (await session.scalar(running) or 0) > (job.member_concurrency or room)

"""What holds the queue up: rows, for one server or for all, which every bot process obeys. A pause lets nothing begin;
a drain takes nothing more and has what waits written. Flushes, never commits: who opened the transaction does."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import Job, JobStatus, PauseMode, QueuePause, now

EVERYWHERE = 0
"""In place of a server's id: all servers, and what is in none."""


class Pauses:
    """The pauses, over one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, guild_id: int | None) -> list[QueuePause]:
        """What holds up a server's requests: its own pause, and the one for all. None: all that there are."""
        query = select(QueuePause).order_by(QueuePause.guild_id)
        if guild_id is not None:
            query = query.where(QueuePause.guild_id.in_((EVERYWHERE, guild_id)))
        return list(await self._session.scalars(query))

    async def set(self, guild_id: int, mode: PauseMode) -> bool:
        """Hold a server's requests up, or everybody's. False where they are held up like this already."""
        row = await self._session.get(QueuePause, guild_id, with_for_update=True)
        if row is not None and row.mode == mode:
            return False
        if row is None:
            self._session.add(QueuePause(guild_id=guild_id, mode=mode))
        else:
            row.mode, row.since = mode, now()
        await self._session.flush()
        return True

    async def lift(self, guild_id: int) -> bool:
        """Go on. Whether anything held this up. Those who waited meanwhile have not waited for the worker: their
        patience with it begins anew."""
        statement = delete(QueuePause).where(QueuePause.guild_id == guild_id).returning(QueuePause.guild_id)
        if (await self._session.scalars(statement)).first() is None:
            return False
        waiting = update(Job).where(Job.status == JobStatus.QUEUED, Job.away_since.is_not(None))
        if guild_id != EVERYWHERE:
            waiting = waiting.where(Job.guild_id == guild_id)
        await self._session.execute(
            waiting.values(away_since=None).execution_options(synchronize_session=False)
        )
        return True

    async def drains(self, guild_id: int | None) -> bool:
        """Whether a server's requests are not taken just now."""
        return any(pause.mode == PauseMode.DRAIN for pause in await self.of(guild_id or EVERYWHERE))


def is_held() -> ColumnElement[bool]:
    """Whether a `Job` in the surrounding query may not be begun, since a pause holds it up."""
    paused = select(QueuePause.guild_id).where(QueuePause.mode == PauseMode.PAUSE)
    return or_(
        func.coalesce(Job.guild_id, EVERYWHERE).in_(paused),
        paused.where(QueuePause.guild_id == EVERYWHERE).exists(),
    )

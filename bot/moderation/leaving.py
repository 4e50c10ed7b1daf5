"""Events of members who have deleted their data while the moderators were still to be told: they are deleted once
somebody knows, or nobody could be told in time. Over one transaction; flushes, never commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import ModerationEvent, Remembered

_KEY = "leaves:"


async def leave_when_told(session: AsyncSession, event_ids: Iterable[int]) -> None:
    """These events go as soon as they need not be told any more."""
    for event_id in event_ids:
        await session.merge(Remembered(key=f"{_KEY}{event_id}", value=""))
    await session.flush()


async def let_leave(session: AsyncSession, event_ids: Collection[int]) -> None:
    """These need not be told any more: those that were to go then do."""
    keys = [f"{_KEY}{event_id}" for event_id in event_ids]
    gone = await session.scalars(delete(Remembered).where(Remembered.key.in_(keys)).returning(Remembered.key))
    leaving = [int(key.removeprefix(_KEY)) for key in gone]
    await session.execute(delete(ModerationEvent).where(ModerationEvent.id.in_(leaving)))

"""What is still to be taken down on Discord after deletions, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.tables import Delivery, Takedown, now

# A message that was to be sent so long ago and is not noted as sent was never sent.
_UNDER_WAY = timedelta(hours=1)


class DueTakedowns:
    """The takedowns that are due."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> Sequence[Takedown]:
        """Oldest first."""
        async with self._database.transaction() as session:
            return (await session.scalars(select(Takedown).order_by(Takedown.id))).all()

    async def done(self, takedown_id: int) -> None:
        """It is gone from Discord, or cannot be taken down."""
        async with self._database.transaction() as session:
            await session.execute(delete(Takedown).where(Takedown.id == takedown_id))

    async def accounted_for(self, channel_id: int) -> set[int] | None:
        """The bot's messages in a thread that stories still have; None while one is being sent, whose id is not known
        yet."""
        async with self._database.transaction() as session:
            if await _is_sending(session, channel_id):
                return None
            query = select(Delivery.discord_message_id).where(Delivery.channel_id == channel_id)
            return {found for found in await session.scalars(query) if found is not None}


async def _is_sending(session: AsyncSession, channel_id: int) -> bool:
    unconfirmed = exists().where(
        Delivery.channel_id == channel_id,
        Delivery.discord_message_id.is_(None),
        Delivery.created_at > now() - _UNDER_WAY,
    )
    return bool(await session.scalar(select(unconfirmed)))

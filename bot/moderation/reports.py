"""The events that a server's moderators are still to be told of, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update

from bot.database.connection import Database
from bot.database.tables import ModerationEvent, now
from bot.moderation.leaving import let_leave

# For so long it is tried to tell somebody; the event itself stays, unless its member has deleted their data.
_WORTH_TELLING = timedelta(days=7)


class DueReports:
    """What is still to be reported."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> Sequence[ModerationEvent]:
        """Oldest first."""
        async with self._database.transaction() as session:
            given_up = await session.scalars(
                update(ModerationEvent)
                .where(ModerationEvent.report_due, ModerationEvent.created_at < now() - _WORTH_TELLING)
                .values(report_due=False)
                .returning(ModerationEvent.id)
            )
            await let_leave(session, given_up.all())
            query = select(ModerationEvent).where(ModerationEvent.report_due).order_by(ModerationEvent.id)
            return (await session.scalars(query)).all()

    async def told(self, event_id: int) -> None:
        """Somebody knows."""
        async with self._database.transaction() as session:
            await session.execute(
                update(ModerationEvent).where(ModerationEvent.id == event_id).values(report_due=False)
            )
            await let_leave(session, [event_id])

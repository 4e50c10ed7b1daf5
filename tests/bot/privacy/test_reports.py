"""A deletion and what moderators have still to be told of the member."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from bot.database.connection import Database
from bot.database.tables import Direction, ModerationEvent, now
from bot.moderation.reports import DueReports
from tests.bot.privacy.seeding import ME, OTHER, everything
from tests.bot.privacy.test_deletion import delete


async def blocked(database: Database, member: int) -> None:
    """A text of theirs that moderators are to be told of."""
    async with database.transaction() as session:
        session.add(
            ModerationEvent(
                guild_id=10,
                channel_id=20,
                member_id=member,
                direction=Direction.INPUT,
                categories=["sexual/minors"],
                report_due=True,
            )
        )


async def members_of_events(database: Database) -> list[int]:
    return [row["member_id"] for row in (await everything(database))["moderation_event"]]


async def test_a_report_that_is_due_outlives_the_deletion_until_it_was_made(
    database: Database, tmp_path: Path
) -> None:
    for member in (ME, OTHER):
        await blocked(database, member)
    for _ in range(2):
        await delete(database, tmp_path)
    reports = DueReports(database)
    due = await reports.due()
    assert [event.member_id for event in due] == [ME, OTHER]
    for event in due:
        await reports.told(event.id)
    assert await members_of_events(database) == [OTHER]
    assert (await everything(database))["remembered"] == []


async def test_a_report_that_nobody_could_be_told_goes_when_it_is_given_up(
    database: Database, tmp_path: Path
) -> None:
    for member in (ME, OTHER):
        await blocked(database, member)
    async with database.transaction() as session:
        await session.execute(update(ModerationEvent).values(created_at=now() - timedelta(days=6)))
    await delete(database, tmp_path)
    assert len(await DueReports(database).due()) == 2
    async with database.transaction() as session:
        await session.execute(update(ModerationEvent).values(created_at=now() - timedelta(days=8)))
    assert await DueReports(database).due() == []
    assert await members_of_events(database) == [OTHER]

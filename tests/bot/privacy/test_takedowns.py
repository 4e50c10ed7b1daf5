"""Which of the bot's messages in a thread may be taken down."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from bot.database.connection import Database
from bot.database.tables import Delivery, DeliveryKind, Message, now
from bot.privacy.takedowns import DueTakedowns
from tests.bot.privacy.seeding import CHANNEL, seed


async def posts(database: Database) -> set[int]:
    found = await DueTakedowns(database).accounted_for(CHANNEL)
    assert found is not None
    return found


async def test_what_stories_still_have_is_accounted_for(database: Database) -> None:
    assert await posts(database) == set()
    await seed(database)
    assert len(await posts(database)) == 6


async def test_while_something_is_being_sent_nobody_can_tell_what_is_left_over(database: Database) -> None:
    await seed(database)
    async with database.transaction() as session:
        message = await session.get_one(Message, 1)
        session.add(
            Delivery(
                message_id=message.id,
                kind=DeliveryKind.TEXT,
                part=7,
                nonce="under way",
                channel_id=CHANNEL,
                text_hash="0" * 64,
            )
        )
    takedowns = DueTakedowns(database)
    assert await takedowns.accounted_for(CHANNEL) is None
    assert await takedowns.accounted_for(CHANNEL + 1) == set()
    async with database.transaction() as session:
        await session.execute(update(Delivery).values(created_at=now() - timedelta(hours=2)))
    assert await takedowns.accounted_for(CHANNEL) is not None, "it was never sent"


async def test_what_is_done_is_due_no_more(database: Database) -> None:
    await seed(database)
    takedowns = DueTakedowns(database)
    (due,) = await takedowns.due()
    await takedowns.done(due.id)
    assert await takedowns.due() == []

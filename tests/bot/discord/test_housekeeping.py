"""What is old goes while the bot runs, and what is left works on: the whole bot on a simulated Discord."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from bot.database.connection import Database
from bot.database.tables import Conversation, Job, Message, now
from model.engine.fake import FakeEngine
from tests.bot.world import open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_an_old_story_goes_at_the_next_start_and_a_new_one_stays(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "Two."])) as world:
        old = await world.start_story("a dragon")
        await world.answered(old)
        new = await world.start_story("a castle")
        await world.answered(new)
    long_ago = now() - timedelta(days=40)
    async with database.transaction() as session:
        story = await session.scalar(select(Conversation.id).where(Conversation.thread_id == old))
        for table, condition in ((Conversation, Conversation.id), (Message, Message.conversation_id)):
            await session.execute(update(table).where(condition == story).values(created_at=long_ago))
    async with open_world(database, FakeEngine(), backend=world.env.backend, retain_stories_days=31) as again:

        async def left() -> list[int | None]:
            async with database.reading() as session:
                return list(await session.scalars(select(Conversation.thread_id)))

        for _ in range(200):
            if await left() == [new]:
                break
            await again.env.settle()
        assert await left() == [new]
        assert again.texts(old) == ["One."], "what was posted stays on Discord"


async def test_answers_are_paged_and_taken_back_without_the_requests_that_made_them(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "Two."])) as world:
        thread = await world.start_story("a dragon")
        (first,) = await world.answered(thread)
        await world.press(first, "🔄" if "🔄" in first.buttons else "Again")
        await world.until(lambda: world.texts(thread) == ["Two."])
        await world.answered(thread)
        async with database.transaction() as session:
            await session.execute(delete(Job))
        (second,) = world.shown(thread)
        await world.press(second, "◀️")
        await world.until(lambda: world.texts(thread) == ["One."])

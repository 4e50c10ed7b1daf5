"""Strings made to break out of SQL, through the services into both databases and back as they were."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from bot.canon import DatabasePageCache
from bot.database.connection import Database
from bot.database.tables import Conversation, Message
from model.wikipedia.page import Page
from tests.bot.conversations.steps import answered, say
from tests.bot.rows import begin, branch, service

HOSTILE = [
    "'; DROP TABLE message; --",
    '"; DELETE FROM conversation WHERE ""="',
    "' OR '1'='1",
    "%s %(x)s :x ? $1 {x} {{x}} \\' \\\\",
    "'); UPDATE job SET status='done' WHERE (1=1",
    "𒐫 '\u2019 \ud7ff ␀ \\u0000",
    "x' UNION SELECT discord_token FROM settings --",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_members_and_pages_say_is_data(text: str, database: Database) -> None:
    first = await begin(database, text=text, opener_name=text[:80], title=text)
    await answered(database, first, text)
    following = await say(database, first, text)
    assert following is not None
    conversations = service(database)
    async with database.reading() as session:
        thread = (await session.get_one(Conversation, first.conversation_id)).thread_id
        rows = await session.scalar(select(func.count()).select_from(Message))
    assert thread is not None
    pin = await conversations.pin(thread, 1, text)
    assert pin.text == text
    assert await branch(database, following.answer_id) == [text, text, text, ""]
    await conversations.answers(thread, text, 25)
    await answered(database, following)
    await conversations.dislike(following.answer_id, 1, text)
    cache = DatabasePageCache(database)
    await cache.put(f"en:{text}", Page(text, "en", text, "bundled"), 60)
    found = await cache.get(f"en:{text}")
    assert found is not None
    assert found.page == Page(text, "en", text, "bundled")
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Message)) == rows
        assert (await session.get_one(Conversation, first.conversation_id)).title == text

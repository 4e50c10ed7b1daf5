"""Deleting and telling what is known of a member whose message somebody else began a story from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import Conversation
from bot.privacy.collection import collect
from tests.bot.privacy.seeding import ME, MINE, OTHER, THEIRS, everything
from tests.bot.privacy.test_deletion import delete
from tests.bot.rows import begin, service


async def test_a_story_that_another_began_from_their_message_loses_it_and_its_title(
    database: Database, tmp_path: Path
) -> None:
    words = f"{MINE} words"
    queued = await begin(database, OTHER, words, author_id=ME, author_name=MINE, source_message_id=42)
    async with database.transaction() as session:
        thread = (await session.get_one(Conversation, queued.conversation_id)).thread_id
    assert thread is not None
    assert await service(database).say(Said(thread, 43, OTHER, "other", THEIRS)) is not None
    await delete(database, tmp_path)
    rows = await everything(database)
    assert [name for name, found in rows.items() if str(ME) in str(found) or MINE in str(found)] == []
    assert [row["content"] for row in rows["message"] if row["author_id"] == OTHER] == [THEIRS]
    assert any(row["new_title"] == "A story" for row in rows["takedown"])


@pytest.mark.parametrize("author", [ME, OTHER])
async def test_a_story_that_was_only_begun_from_anothers_message_goes_with_whoever_of_both_leaves(
    database: Database, tmp_path: Path, author: int
) -> None:
    opener = OTHER if author == ME else ME
    await begin(database, opener, author_id=author, author_name="author", source_message_id=42)
    await delete(database, tmp_path)
    assert (await everything(database))["conversation"] == []


async def test_the_message_is_told_to_its_author_and_not_to_whoever_began_from_it(database: Database) -> None:
    await begin(database, OTHER, MINE, author_id=ME, author_name="author", source_message_id=42)
    for member, told in ((ME, True), (OTHER, False)):
        (story,) = (await collect(database, member))["stories"]
        assert (MINE in [message["content"] for message in story["messages"]]) is told

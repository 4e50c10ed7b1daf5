"""Summaries as rows: on which branches they hold, and what makes them go. On both databases."""

from __future__ import annotations

from bot.conversations.memory import MemoryRepository
from bot.conversations.repository import ConversationRepository
from bot.conversations.tree import forget_summaries
from bot.database.connection import Database
from bot.database.tables import Conversation, Message, Role
from tests.bot.rows import begin


async def a_line(database: Database, *, length: int = 6) -> list[int]:
    """Ids of messages in a line, a member's and an answer in turn; the first two are the conversation's own."""
    queued = await begin(database)
    async with database.transaction() as session:
        repository = ConversationRepository(session)
        answer = await session.get_one(Message, queued.answer_id)
        answer.content = "1"
        ids = [message.id for message in await repository.branch(answer.id)]
        for number in range(2, length):
            role = Role.ASSISTANT if number % 2 else Role.USER
            message = Message(
                conversation_id=queued.conversation_id, parent_id=ids[-1], role=role, content=str(number)
            )
            session.add(message)
            await session.flush()
            ids.append(message.id)
    return ids


async def summed_up(database: Database, leaf: int) -> str | None:
    async with database.transaction() as session:
        path = await ConversationRepository(session).branch(leaf)
        summary = (await MemoryRepository(session).of(path[0].conversation_id, path)).summary
        return summary.text if summary else None


async def sum_up(database: Database, leaf: int, text: str) -> None:
    async with database.transaction() as session:
        path = await ConversationRepository(session).branch(leaf)
        assert await MemoryRepository(session).add_summary(path[0].conversation_id, path, text, "m")


async def test_the_summary_that_covers_most_of_a_branch_is_told(database: Database) -> None:
    ids = await a_line(database)
    await sum_up(database, ids[1], "short")
    await sum_up(database, ids[3], "longer")
    assert [await summed_up(database, leaf) for leaf in ids] == [
        None, None, "short", "short", "longer", "longer",
    ]  # fmt: skip


async def test_what_changes_takes_the_summaries_below_it_along_and_no_others(database: Database) -> None:
    ids = await a_line(database)
    await sum_up(database, ids[1], "short")
    await sum_up(database, ids[3], "longer")
    async with database.transaction() as session:
        conversation = (await session.get_one(Message, ids[0])).conversation_id
        await forget_summaries(session, conversation, ids[2])
    assert await summed_up(database, ids[5]) == "short"
    async with database.transaction() as session:
        await forget_summaries(session, conversation, ids[0])
    assert await summed_up(database, ids[5]) is None


async def test_a_summary_of_what_has_changed_is_not_kept(database: Database) -> None:
    ids = await a_line(database)
    async with database.transaction() as session:
        read = await ConversationRepository(session).branch(ids[3])
    async with database.transaction() as session:
        (await session.get_one(Message, ids[0])).content = "changed"
    async with database.transaction() as session:
        assert await session.get(Conversation, read[0].conversation_id) is not None
        assert (
            await MemoryRepository(session).add_summary(read[0].conversation_id, read, "stale", "m") is None
        )
    assert await summed_up(database, ids[5]) is None

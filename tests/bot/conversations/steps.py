"""Steps that tests of conversations take: what a member says, and what the worker would have written."""

from __future__ import annotations

from datetime import timedelta

from bot.conversations.base import Queued
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import (
    Conversation,
    Delivery,
    DeliveryKind,
    Job,
    JobStatus,
    Message,
    MessageStatus,
)
from bot.queue.repository import JobQueue
from tests.bot.rows import LIMITS, service

_ids = iter(range(5_000_000, 6_000_000))


async def thread_of(database: Database, queued: Queued) -> int:
    """The thread of a request's conversation."""
    async with database.transaction() as session:
        thread_id = (await session.get_one(Conversation, queued.conversation_id)).thread_id
    assert thread_id is not None
    return thread_id


async def say(
    database: Database, queued: Queued, text: str, author: int = 1, **details: int
) -> Queued | None:
    """A member writes in the thread of an earlier request."""
    details.setdefault("message_id", next(_ids))
    said = Said(
        await thread_of(database, queued),
        author_id=author,
        author_name=f"member {author}",
        text=text,
        **details,
    )
    return await service(database).say(said)


async def run_job(database: Database) -> None:
    """A process begins the next answer."""
    async with database.transaction() as session:
        assert await JobQueue(session, LIMITS).claim("me", timedelta(seconds=30)) is not None


async def answered(database: Database, queued: Queued, text: str = "an answer", shown_by: int = 0) -> Queued:
    """As if the worker had written it; with `shown_by`, in a Discord message of this id."""
    async with database.transaction() as session:
        row = await session.get_one(Job, queued.job_id)
        JobQueue(session, LIMITS).end(row, JobStatus.DONE)
        message = await session.get_one(Message, queued.answer_id)
        message.content, message.status = text, MessageStatus.COMPLETE
        if shown_by:
            session.add(post(queued.answer_id, shown_by))
    return queued


async def at_its_follow_ups(database: Database, text: str = "an answer") -> None:
    """A process begins the next answer, posts its text, and is at what follows that."""
    async with database.transaction() as session:
        job = await JobQueue(session, LIMITS).claim("me", timedelta(seconds=30))
        assert job is not None
        job.text_posted = True
        message = await session.get_one(Message, job.answer_id)
        message.content, message.status = text, MessageStatus.WRITTEN


def post(message_id: int, discord_id: int, kind: DeliveryKind = DeliveryKind.TEXT, part: int = 0) -> Delivery:
    """A Discord message of ours that shows an answer or what it looked up."""
    return Delivery(
        message_id=message_id,
        kind=kind,
        part=part,
        nonce=f"n{discord_id}",
        channel_id=1,
        discord_message_id=discord_id,
        text_hash="",
    )


async def exchange(
    database: Database, queued: Queued, said: str, answer: str, *, said_in: int, shown_by: int
) -> Queued:
    """A member's message and the answer to it."""
    following = await say(database, queued, said, message_id=said_in)
    assert following is not None
    return await answered(database, following, answer, shown_by)


async def conversation(database: Database, queued: Queued) -> Conversation:
    """The conversation's row as it is now."""
    async with database.transaction() as session:
        return await session.get_one(Conversation, queued.conversation_id)

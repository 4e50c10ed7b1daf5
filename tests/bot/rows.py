"""Short ways to the rows that tests begin with."""

from __future__ import annotations

from bot.conversations.base import Queued
from bot.conversations.repository import ConversationRepository, Opening
from bot.conversations.service import ConversationService
from bot.database.connection import Database
from bot.database.tables import Job, Message
from bot.queue.repository import Limits

LIMITS = Limits(queue=1000, member_waiting=100, member_running=1)


def opening(member: int = 1, text: str = "a story, please", **changes: object) -> Opening:
    """A conversation opened by a member."""
    values: dict[str, object] = {
        "guild_id": 10,
        "channel_id": 20,
        "opener_id": member,
        "opener_name": f"member {member}",
        "locale": "en-US",
        "title": text,
        "language": "en",
        "language_fixed": False,
        "private": False,
        "text": text,
    }
    return Opening(**{**values, **changes})  # type: ignore[arg-type]


def service(database: Database, limits: Limits = LIMITS) -> ConversationService:
    """The conversation service, with nobody to wake."""
    return ConversationService(database, limits, lambda: None)


_threads = iter(range(1_000_000, 10_000_000))


async def begin(
    database: Database, member: int = 1, text: str = "a story, please", **changes: object
) -> Queued:
    """A conversation whose thread is open."""
    return await service(database).begin(opening(member, text, **changes), thread_id=next(_threads))


async def answer(database: Database, answer_id: int) -> Message:
    """The answer's row as it is now."""
    async with database.transaction() as session:
        return await session.get_one(Message, answer_id)


async def job(database: Database, job_id: int) -> Job:
    """The job's row as it is now."""
    async with database.transaction() as session:
        return await session.get_one(Job, job_id)


async def branch(database: Database, leaf_id: int) -> list[str]:
    """What was said on the way to a leaf."""
    async with database.transaction() as session:
        return [m.content for m in await ConversationRepository(session).branch(leaf_id)]

"""What is old goes, and nothing else, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from bot.canon import DatabasePageCache
from bot.database import retention
from bot.database.connection import Database
from bot.database.retention import Retention, Terms
from bot.database.tables import (
    AuditEntry,
    Base,
    CachedPage,
    Conversation,
    Delivery,
    Direction,
    Feedback,
    Job,
    JobStatus,
    Member,
    Message,
    MessageStatus,
    ModerationEvent,
    Role,
    now,
)

OLD, NEW = now() - timedelta(days=100), now() - timedelta(days=10)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP", 5)


async def count(database: Database, table: type[Base]) -> int:
    async with database.transaction() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def story(
    database: Database,
    *,
    turns: int = 1,
    at: datetime = OLD,
    last: datetime | None = None,
    job: JobStatus = JobStatus.DONE,
    answer: MessageStatus = MessageStatus.COMPLETE,
) -> int:
    """A story that began at a time, with so many turns; the `last` of them at another."""
    async with database.transaction() as session:
        if await session.get(Member, 1) is None:
            session.add(Member(id=1))
        conversation = Conversation(channel_id=1, opener_id=1, title="x", language="en", created_at=at)
        session.add(conversation)
        await session.flush()
        parent: int | None = None
        for turn in range(turns):
            when = last if last is not None and turn == turns - 1 else at
            for role, status in ((Role.USER, MessageStatus.COMPLETE), (Role.ASSISTANT, answer)):
                message = Message(
                    conversation_id=conversation.id,
                    parent_id=parent,
                    role=role,
                    status=status,
                    content="x",
                    created_at=when,
                )
                session.add(message)
                await session.flush()
                parent = message.id
            session.add(
                Job(
                    conversation_id=conversation.id,
                    answer_id=message.id,
                    member_id=1,
                    status=job,
                    created_at=when,
                    finished_at=when if job is JobStatus.DONE else None,
                )
            )
            session.add(
                Delivery(
                    message_id=message.id,
                    part=0,
                    nonce=f"n{message.id}",
                    channel_id=1,
                    text_hash="0",
                    created_at=when,
                )
            )
        session.add(Feedback(message_id=parent, member_id=1, rating=1))
        conversation.active_leaf_id = parent
        return conversation.id


async def test_by_default_nothing_that_members_wrote_goes(database: Database) -> None:
    await story(database, turns=4)
    await Retention(database, Terms(jobs=365, audit=730)).purge()
    counts = {
        table: await count(database, table) for table in (Conversation, Message, Job, Delivery, Feedback)
    }
    assert counts == {Conversation: 1, Message: 8, Job: 4, Delivery: 4, Feedback: 1}


async def test_old_requests_and_deliveries_go_and_those_still_needed_stay(database: Database) -> None:
    await story(database, turns=7)
    await story(database, at=NEW)
    await story(database, job=JobStatus.QUEUED, answer=MessageStatus.STREAMING)
    gone = await Retention(database, Terms(jobs=31, deliveries=31)).purge()
    assert (gone["jobs"], gone["deliveries"], gone["stories"]) == (7, 7, 0)
    assert (await count(database, Job), await count(database, Delivery)) == (2, 2)
    assert await count(database, Message) == 18


async def test_an_old_story_goes_with_all_that_is_in_it_however_long_it_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        retention, "STEP", 200
    )  # SQLite bears no more than 1,000 deletions that entail one another
    long = await story(database, turns=600)
    lively = await story(database, turns=3, last=NEW)
    busy = await story(database, job=JobStatus.QUEUED)
    await Retention(database, Terms(stories=31)).purge()
    async with database.transaction() as session:
        assert set(await session.scalars(select(Conversation.id))) == {lively, busy}
        of_it = select(func.count()).select_from(Message).where(Message.conversation_id == long)
        assert await session.scalar(of_it) == 0
    assert (await count(database, Job), await count(database, Feedback)) == (4, 2)


async def test_what_a_kill_leaves_of_a_story_goes_in_the_next_round(database: Database) -> None:
    await story(database, turns=10)
    async with database.transaction() as session:
        assert await retention._purge_story(session, now() - timedelta(days=31)) == 5
    async with database.transaction() as session:
        left = (await session.scalars(select(Message).order_by(Message.id))).all()
        assert len(left) == 15, "the newest went first, so the tree is whole"
        assert {m.parent_id for m in left} <= {None, *(m.id for m in left)}
    await Retention(database, Terms(stories=31)).purge()
    assert await count(database, Conversation) == 0


async def test_logs_go_but_not_what_moderators_have_still_to_be_told(database: Database) -> None:
    async with database.transaction() as session:
        for at in (OLD, OLD, NEW):
            session.add(AuditEntry(guild_id=1, actor_id=1, action="x", details={}, created_at=at))
        for at, due in ((OLD, False), (OLD, True), (NEW, False)):
            session.add(
                ModerationEvent(direction=Direction.INPUT, categories=[], report_due=due, created_at=at)
            )
    gone = await Retention(database, Terms(audit=31)).purge()
    assert (gone["audit entries"], gone["moderation events"]) == (2, 1)


async def test_pages_live_as_long_as_the_setting_says_and_then_go(database: Database) -> None:
    cache = DatabasePageCache(database, timedelta(days=2))
    await cache.put("long", None, 30 * 86400.0)
    await cache.put("short", None, 3600.0)
    async with database.transaction() as session:
        lives = {p.key: p.expires_at - now() for p in await session.scalars(select(CachedPage))}
        assert lives["long"] < timedelta(days=2, seconds=1)
        assert lives["short"] < timedelta(hours=1, seconds=1)
        (await session.get_one(CachedPage, "short")).expires_at = now() - timedelta(seconds=1)
    assert (await Retention(database, Terms()).purge())["cached pages"] == 1
    assert await count(database, CachedPage) == 1

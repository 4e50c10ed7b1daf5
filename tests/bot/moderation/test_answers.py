"""Answers under a moderation service, without Discord: the real store, writer and worker server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.answers.stage import Phase
from bot.database.connection import Database
from bot.database.tables import (
    Conversation,
    Direction,
    GuildSettings,
    Job,
    JobStatus,
    Message,
    MessageStatus,
    ModerationEvent,
    Rating,
    now,
)
from bot.queue.repository import PATIENCE
from model.engine.fake import FakeEngine
from tests.bot.answers.writing import Desk, desk
from tests.bot.moderation.stub import StubService, service_at, stub_service
from tests.bot.rows import answer, begin, job
from tests.model.worker.conftest import fake_model

FLAGS = {"heron": ("sexual", "S12"), "anvil": ("sexual/minors", "S4")}
HARMLESS = "A gull came over the harbour. It was white. Nobody saw it but the keeper."
FLAGGED = "A gull came over the harbour. It was white. And behind it came a heron, slowly. Then rain."


@asynccontextmanager
async def checked(
    database: Database, engine: FakeEngine, *, model: str | None = None, **stub_values: Any
) -> AsyncIterator[tuple[Desk, StubService]]:
    """Answers written under a service."""
    async with (
        stub_service(**stub_values) as stub,
        service_at(stub, model) as service,
        desk(database, [fake_model(engine)], moderation=service) as writing,
    ):
        yield writing, stub


async def events(database: Database) -> list[ModerationEvent]:
    async with database.transaction() as session:
        return list(await session.scalars(select(ModerationEvent)))


def texts(writing: Desk, message: Message) -> list[str]:
    return [text for text, _ in writing.scene(message).shown]


@pytest.mark.parametrize("model", [None, "llama-guard3"])
async def test_an_answer_that_passes_is_shown_and_every_part_of_it_was_judged_before(
    database: Database, model: str | None
) -> None:
    engine = FakeEngine(replies=[HARMLESS], tokens_per_second=60)
    async with checked(database, engine, model=model, flags=FLAGS) as (writing, stub):
        written = await writing.begin("a bird, please")
        assert (written.status, written.content) == (MessageStatus.COMPLETE, HARMLESS)
        judged = str(stub.requests)
        shown = texts(writing, written)
        assert shown[-1] == HARMLESS
        assert len(shown) > 1, "it streamed"
        for sentence in ("A gull came over the harbour.", "It was white.", "but the keeper."):
            assert sentence in judged
    assert await events(database) == []


async def test_a_blocked_answer_leaves_only_the_fact(database: Database) -> None:
    engine = FakeEngine(replies=[FLAGGED], tokens_per_second=60)
    async with checked(database, engine, flags=FLAGS) as (writing, _):
        blocked = await writing.begin("a bird, please")
        shown = writing.scene(blocked).shown
        assert any("It was white." in text for text, _ in shown), "what was cleared had been shown"
        assert not any("heron" in text for text, _ in shown)
        last, phase = shown[-1]
        assert "did not pass the content check" in last
        assert "gull" not in last
        assert phase is Phase.BLOCKED
    assert (blocked.status, blocked.content, blocked.lookup_term) == (MessageStatus.BLOCKED, "", None)
    (event,) = await events(database)
    assert (event.direction, event.categories, event.member_id) == (Direction.OUTPUT, ["sexual"], 1)
    assert event.channel_id == writing.thread
    async with database.transaction() as session:
        (ended,) = await session.scalars(select(Job))
    assert ended.status == JobStatus.DONE, "it is not tried again"


async def test_what_moderators_must_know_of_an_answer_is_due(database: Database) -> None:
    engine = FakeEngine(replies=["An anvil fell. And rang."])
    async with checked(database, engine, flags=FLAGS) as (writing, _):
        await writing.begin("a smith, please")
    assert [event.report_due for event in await events(database)] == [True]


async def test_the_story_goes_on_without_the_blocked_answer(database: Database) -> None:
    engine = FakeEngine(replies=[FLAGGED, HARMLESS])
    async with checked(database, engine, flags=FLAGS) as (writing, _):
        blocked = await writing.begin("a bird, please")
        queued = await writing.conversations.regenerate(blocked.id, 1, None)
        again = await writing.work()
        assert again.id == queued.answer_id
        assert again.content == HARMLESS
    assert "heron" not in str(engine.requests[-1].messages)


async def test_while_the_service_is_away_a_teen_story_goes_on_unchecked(database: Database) -> None:
    engine = FakeEngine(replies=[HARMLESS])
    async with checked(database, engine, away=True) as (writing, _):
        assert (await writing.begin("a bird, please")).content == HARMLESS


async def mature(database: Database, *, allowed: bool = True) -> int:
    """The answer of a mature story that waits to be written."""
    async with database.transaction() as session:
        session.add(GuildSettings(guild_id=10, mature=allowed))
    queued = await begin(database, text="a bird, please")
    async with database.transaction() as session:
        await session.execute(update(Conversation).values(rating=Rating.MATURE))
    return queued.job_id


async def write(writing: Desk, *, age_restricted: bool = True) -> Job:
    claimed = await writing.store.claim(timedelta(seconds=60))
    assert claimed is not None
    work = await writing.store.peek(claimed)
    (await writing.stage.open(work)).age_restricted = age_restricted
    await writing.writer.write(claimed, asyncio.Event())
    return await job(writing.database, claimed.id)


async def test_while_the_service_is_away_a_mature_story_waits_and_shows_nothing(database: Database) -> None:
    engine = FakeEngine(replies=[HARMLESS, HARMLESS])
    async with checked(database, engine, away=True) as (writing, stub):
        await mature(database)
        waiting = await write(writing)
        assert (waiting.status, waiting.attempts) == (JobStatus.QUEUED, 0)
        assert (await answer(database, waiting.answer_id)).content == "", "nothing unchecked is kept"
        assert writing.stage.scenes[waiting.answer_id].shown == []
        stub.away = False
        async with database.transaction() as session:
            await session.execute(update(Job).values(not_before=now() - timedelta(seconds=1)))
        assert (await write(writing)).status == JobStatus.DONE
        assert (await answer(database, waiting.answer_id)).content == HARMLESS


async def test_a_service_that_is_away_for_too_long_is_an_end_with_words(database: Database) -> None:
    engine = FakeEngine(replies=[HARMLESS, HARMLESS])
    async with checked(database, engine, away=True) as (writing, _):
        await mature(database)
        await write(writing)
        async with database.transaction() as session:
            long_ago = now() - PATIENCE - timedelta(seconds=1)
            await session.execute(update(Job).values(not_before=None, away_since=long_ago))
        failed = await write(writing)
        assert failed.status == JobStatus.FAILED
        assert "cannot check what I write" in writing.stage.scenes[failed.answer_id].shown[-1][0]


async def test_a_mature_story_bears_more_and_says_so_in_its_prompt(database: Database) -> None:
    engine = FakeEngine(replies=[FLAGGED])
    async with checked(database, engine, flags=FLAGS) as (writing, _):
        await mature(database)
        done = await write(writing)
        assert (await answer(database, done.answer_id)).content == FLAGGED
    assert "The story is rated mature" in engine.requests[0].messages[0][1]


@pytest.mark.parametrize(("allowed", "age_restricted"), [(False, True), (True, False)])
async def test_a_mature_story_that_lacks_something_by_now_becomes_a_teen_one(
    database: Database, allowed: bool, age_restricted: bool
) -> None:
    engine = FakeEngine(replies=[FLAGGED])
    async with checked(database, engine, flags=FLAGS) as (writing, _):
        await mature(database, allowed=allowed)
        done = await write(writing, age_restricted=age_restricted)
        assert (await answer(database, done.answer_id)).status == MessageStatus.BLOCKED
    assert "The story is rated teen" in engine.requests[0].messages[0][1]
    async with database.transaction() as session:
        (conversation,) = await session.scalars(select(Conversation))
    assert conversation.rating is Rating.TEEN


async def test_a_kill_after_the_block_shows_the_notice_and_writes_nothing(database: Database) -> None:
    engine = FakeEngine(replies=[HARMLESS])
    async with checked(database, engine) as (writing, _):
        queued = await begin(database, text="a bird, please")
        async with database.transaction() as session:
            await session.execute(
                update(Message).where(Message.id == queued.answer_id).values(status=MessageStatus.BLOCKED)
            )
        blocked = await writing.work()
        assert blocked.status == MessageStatus.BLOCKED
        assert "did not pass the content check" in texts(writing, blocked)[-1]
    assert engine.requests == []


async def test_an_answer_that_is_stopped_keeps_only_what_was_cleared(database: Database) -> None:
    engine = FakeEngine(replies=[HARMLESS], tokens_per_second=40)
    async with checked(database, engine) as (writing, stub):
        queued = await begin(database, text="a bird, please")
        claimed = await writing.store.claim(timedelta(seconds=60))
        assert claimed is not None
        stop = asyncio.Event()
        running = asyncio.create_task(writing.writer.write(claimed, stop))
        async with asyncio.timeout(10):
            while not stub.requests:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        stop.set()
        await running
        stopped = await answer(database, queued.answer_id)
        assert stopped.status == MessageStatus.STOPPED
        assert stopped.content.endswith(".")
        assert stopped.content in "".join(stub.inputs)

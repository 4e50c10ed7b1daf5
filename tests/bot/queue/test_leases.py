"""What a process does that stood still: longer than its leases, with a notice still on its way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.answers.stage import Phase
from bot.database.connection import Database
from bot.database.tables import Job, JobStatus, now
from bot.discord.stage import DiscordScene
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world


async def test_a_process_that_stood_still_goes_on_with_its_answers(database: Database) -> None:
    engine = FakeEngine(tokens_per_second=20)
    async with open_world(database, engine) as world:
        thread = await world.start_story("!words 100")
        await world.until(lambda: world.texts(thread))
        async with database.transaction() as session:
            stale = update(Job).where(Job.status == JobStatus.RUNNING)
            await session.execute(stale.values(lease_until=now() - timedelta(seconds=60)))
        await world.bot.parts.dispatcher._take_back()
        async with database.reading() as session:
            job = (await session.scalars(select(Job))).one()
            assert job.status == JobStatus.RUNNING
            assert job.lease_until is not None
            assert job.lease_until > now()
        await world.answered(thread)
        assert len(engine.requests) == 1, "nothing was begun again"


async def test_what_another_process_has_taken_is_left_to_it(database: Database) -> None:
    engine = FakeEngine(tokens_per_second=20)
    async with open_world(database, engine) as world:
        thread = await world.start_story("!words 100")
        await world.until(lambda: world.texts(thread))
        async with database.transaction() as session:
            taken = update(Job).where(Job.status == JobStatus.RUNNING)
            await session.execute(
                taken.values(lease_owner="another", lease_until=now() + timedelta(seconds=60))
            )
        await world.bot.parts.dispatcher._take_back()
        await world.until(lambda: world.bot.parts.dispatcher.running == 0)
        async with database.reading() as session:
            assert (await session.scalars(select(Job.lease_owner))).one() == "another"


async def with_a_late_notice(
    world: World, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, *, words: int
) -> tuple[int, asyncio.Event]:
    """A story that waits for another's answer of so many words, and whose notice of the queue is under way until the
    event is set; its thread."""
    late, go = asyncio.Event(), asyncio.Event()
    show = DiscordScene.show

    async def slow(scene: DiscordScene, text: str, phase: Phase) -> None:
        if phase is Phase.WAITING:
            late.set()
            await go.wait()
        await show(scene, text, phase)

    await world.start_story(f"!words {words}", member=0)
    await world.until(lambda: engine.load.running == 1)
    thread = await world.start_story("The dragon sleeps.", member=1)
    monkeypatch.setattr(DiscordScene, "show", slow)
    async with asyncio.timeout(30):
        await late.wait()
    return thread, go


async def test_a_notice_that_comes_late_does_not_stand_over_the_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(tokens_per_second=10)
    async with open_world(database, engine, worker_slots=1) as world:
        thread, go = await with_a_late_notice(world, engine, monkeypatch, words=60)
        # Its turn comes while the notice is on its way.
        await world.until(lambda: len(world.bot.parts.dispatcher._running) == 1 and not engine.load.running)
        assert world.texts(thread) == []
        go.set()
        await world.answered(thread)
        await asyncio.sleep(0.5)
        assert world.texts(thread) == ["The dragon sleeps."]


async def test_a_notice_that_comes_late_does_not_stand_over_that_the_answer_was_stopped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(tokens_per_second=10)
    async with open_world(database, engine, worker_slots=1) as world:
        thread, go = await with_a_late_notice(world, engine, monkeypatch, words=200)
        async with database.reading() as session:
            waiting = select(Job.answer_id).where(Job.status == JobStatus.QUEUED)
            answer_id = (await session.scalars(waiting)).one()
        dispatcher = world.bot.parts.dispatcher
        assert await world.bot.parts.conversations.stop(answer_id) is not None
        showing = asyncio.create_task(dispatcher.show_again(answer_id))
        await asyncio.wait({showing}, timeout=1)
        go.set()
        await showing
        await world.until(lambda: not dispatcher._telling)
        (shown,) = world.shown(thread)
        assert "Stop" not in shown.buttons
        assert "in the queue" not in shown.content

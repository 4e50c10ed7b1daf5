"""What stays of an answer whose worker gives nothing new: the real store, writer and worker server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.answers.stage import Phase
from bot.database.connection import Database
from bot.database.tables import Job, JobStatus, Message, MessageStatus, now
from bot.errors import WorkerAsleep, WorkerBusy
from bot.queue.repository import PATIENCE
from bot.worker_client import Generation, Piece, Worker, WorkerInfo
from model.engine.fake import FakeEngine
from tests.bot.answers.writing import Desk, desk
from tests.bot.moderation.stub import service_at, stub_service
from tests.bot.rows import answer, begin, job
from tests.model.worker.conftest import fake_model, until

pytestmark = [
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.parametrize("moderated", [False, True]),
]

BEGUN = "There was a dragon. It had a"


class Unwilling:
    """A worker that gives no text: at every second request it says who speaks, else nothing at all. With `goes_on` it
    can go on with an unfinished answer."""

    def __init__(self, worker: Worker, error: Exception | None, *, goes_on: bool = True) -> None:
        self._worker = worker
        self._error = error
        self._goes_on = goes_on
        self.asked = 0
        self.count_tokens = worker.count_tokens

    async def describe(self, *, fresh: bool = False) -> WorkerInfo:
        return replace(await self._worker.describe(fresh=fresh), continues=self._goes_on)

    async def write(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        self.asked += 1
        if self.asked % 2 == 0:
            yield Piece("")
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()


@asynccontextmanager
async def unwilling(
    database: Database, *, moderated: bool, error: Exception | None = None, goes_on: bool = True
) -> AsyncIterator[tuple[Desk, Unwilling]]:
    async with stub_service() as stub, service_at(stub) as service:
        models = [fake_model(FakeEngine())]
        async with desk(database, models, moderation=service if moderated else None) as at:
            worker = Unwilling(at.worker, error, goes_on=goes_on)
            at.writer._generator._worker = worker
            yield at, worker


async def half_written(at: Desk, *, asked_for_more: bool) -> Job:
    """An answer with a text, claimed: a member has asked for more of it, or its process was killed."""
    queued = await begin(at.database)
    async with at.database.transaction() as session:
        values = {"content": BEGUN, "status": MessageStatus.STREAMING}
        await session.execute(update(Message).where(Message.id == queued.answer_id).values(values))
        if asked_for_more:
            await session.execute(update(Job).values(status=JobStatus.DONE))
    if asked_for_more:
        await at.conversations.go_on(queued.answer_id, 1, None)
    return await claimed(at)


async def claimed(at: Desk) -> Job:
    async with at.database.transaction() as session:
        await session.execute(update(Job).values(not_before=None))
    found = await at.store.claim(timedelta(seconds=60))
    assert found is not None
    return found


@pytest.mark.parametrize("error", [WorkerBusy("503", retry_after=1), WorkerAsleep("503", retry_after=1)])
@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("asked_for_more", [True, False])
async def test_a_text_outlasts_a_worker_that_refuses_again_and_again(
    database: Database, moderated: bool, error: Exception, goes_on: bool, asked_for_more: bool
) -> None:
    async with unwilling(database, moderated=moderated, error=error, goes_on=goes_on) as (at, _):
        waiting = await half_written(at, asked_for_more=asked_for_more)
        await at.writer.write(waiting, asyncio.Event())
        await at.writer.write(await claimed(at), asyncio.Event())
        assert (await job(database, waiting.id)).status == JobStatus.QUEUED
        assert (await answer(database, waiting.answer_id)).content == BEGUN


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("asked_for_more", [True, False])
async def test_a_text_stays_where_it_is_stopped_before_anything_new(
    database: Database, moderated: bool, goes_on: bool, asked_for_more: bool
) -> None:
    async with unwilling(database, moderated=moderated, goes_on=goes_on) as (at, worker):
        going_on = await half_written(at, asked_for_more=asked_for_more)
        stop = asyncio.Event()
        writing = asyncio.create_task(at.writer.write(going_on, stop))
        await until(lambda: worker.asked)
        stop.set()
        await writing
        stopped = await answer(database, going_on.answer_id)
        assert (stopped.status, stopped.content) == (MessageStatus.STOPPED, BEGUN)
        assert at.scene(stopped).shown[-1] == (BEGUN, Phase.DONE)


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("asked_for_more", [True, False])
async def test_a_text_stays_where_the_bot_stops_before_anything_new(
    database: Database, moderated: bool, goes_on: bool, asked_for_more: bool
) -> None:
    async with unwilling(database, moderated=moderated, goes_on=goes_on) as (at, worker):
        going_on = await half_written(at, asked_for_more=asked_for_more)
        writing = asyncio.create_task(at.writer.write(going_on, asyncio.Event()))
        await until(lambda: worker.asked)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        assert (await job(database, going_on.id)).status == JobStatus.QUEUED
        assert (await answer(database, going_on.answer_id)).content == BEGUN


async def test_what_comes_behind_a_text_is_judged_and_kept_with_it(
    database: Database, moderated: bool
) -> None:
    models = [fake_model(FakeEngine(replies=[f"{BEGUN} tail. And wings."]))]
    async with stub_service() as stub, service_at(stub) as service:
        async with desk(database, models, moderation=service if moderated else None) as at:
            going_on = await half_written(at, asked_for_more=True)
            await at.writer.write(going_on, asyncio.Event())
        whole = await answer(database, going_on.answer_id)
        assert (whole.status, whole.content) == (MessageStatus.COMPLETE, f"{BEGUN} tail. And wings.")
        assert ("And wings." in "".join(stub.inputs)) is moderated


@pytest.mark.parametrize("asked_for_more", [True, False])
async def test_a_worker_that_is_busy_all_the_time_is_not_waited_for_without_end(
    database: Database, moderated: bool, asked_for_more: bool
) -> None:
    error = WorkerBusy("503", retry_after=1)
    async with unwilling(database, moderated=moderated, error=error) as (at, _):
        waiting = await half_written(at, asked_for_more=asked_for_more)
        await at.writer.write(waiting, asyncio.Event())
        row = await job(database, waiting.id)
        assert row.status == JobStatus.QUEUED
        assert row.away_since is not None
        async with database.transaction() as session:
            await session.execute(update(Job).values(away_since=now() - PATIENCE - timedelta(seconds=1)))
        await at.writer.write(await claimed(at), asyncio.Event())
        assert (await job(database, waiting.id)).status == JobStatus.FAILED
        failed = await answer(database, waiting.answer_id)
        assert (failed.status, failed.content) == (MessageStatus.FAILED, BEGUN)
        last, phase = at.scene(failed).shown[-1]
        assert phase is Phase.FAILED
        assert last.startswith(BEGUN)
        assert "very busy" in last

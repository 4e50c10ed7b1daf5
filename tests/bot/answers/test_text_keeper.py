"""Texts of growing answers, kept together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from bot.answers.text_keeper import TextKeeper
from bot.database.connection import Database
from bot.database.tables import Job, now
from bot.errors import LeaseLost
from bot.queue.repository import JobQueue
from tests.bot.rows import LIMITS, answer, begin


async def claimed(database: Database, member: int) -> Job:
    """A job of this member's, being written."""
    await begin(database, member)
    async with database.transaction() as session:
        job = await JobQueue(session, LIMITS).claim("somebody", timedelta(seconds=20))
    assert job is not None
    return job


async def test_texts_that_wait_together_are_kept_in_one_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await claimed(database, member) for member in range(1, 6)]
    count, real = 0, database.transaction

    def counted() -> object:
        nonlocal count
        count += 1
        return real()

    monkeypatch.setattr(database, "transaction", counted)
    keeper = TextKeeper(database)
    await asyncio.gather(*(keeper.keep(job, job.answer_id, f"text {job.id}") for job in jobs))
    assert count == 1
    for job in jobs:
        assert (await answer(database, job.answer_id)).content == f"text {job.id}"


async def test_who_lost_the_lease_is_told_and_the_others_texts_are_kept(database: Database) -> None:
    mine, lost = await claimed(database, 1), await claimed(database, 2)
    lost.lease_owner = "somebody else"
    keeper = TextKeeper(database)
    results = await asyncio.gather(
        keeper.keep(mine, mine.answer_id, "mine"),
        keeper.keep(lost, lost.answer_id, "lost"),
        return_exceptions=True,
    )
    assert results[0] is None
    assert isinstance(results[1], LeaseLost)
    assert (await answer(database, mine.answer_id)).content == "mine"
    assert (await answer(database, lost.answer_id)).content == ""


async def test_what_nobody_waits_for_any_more_is_not_kept(database: Database) -> None:
    job, other = await claimed(database, 1), await claimed(database, 2)
    keeper = TextKeeper(database)
    waiting = asyncio.create_task(keeper.keep(job, job.answer_id, "given up"))
    staying = asyncio.create_task(keeper.keep(other, other.answer_id, "kept"))
    await asyncio.sleep(0)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await staying
    assert (await answer(database, job.answer_id)).content == ""
    assert (await answer(database, other.answer_id)).content == "kept"


async def test_a_text_that_arrives_says_that_the_worker_is_back(database: Database) -> None:
    job = await claimed(database, 1)
    async with database.transaction() as session:
        (await session.get_one(Job, job.id)).away_since = job.away_since = now()
    await TextKeeper(database).keep(job, job.answer_id, "back")
    async with database.transaction() as session:
        assert (await session.get_one(Job, job.id)).away_since is None


async def test_a_database_that_is_away_is_everybodys_error_and_the_next_text_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await claimed(database, 1)
    keeper = TextKeeper(database)
    with monkeypatch.context() as patch:

        def away() -> object:
            raise OSError("away")

        patch.setattr(database, "transaction", away)
        results = await asyncio.gather(
            keeper.keep(job, job.answer_id, "a"), keeper.keep(job, job.answer_id, "b"), return_exceptions=True
        )
        assert [type(result) for result in results] == [OSError, OSError]
    await keeper.keep(job, job.answer_id, "c")
    assert (await answer(database, job.answer_id)).content == "c"

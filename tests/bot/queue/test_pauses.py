"""Holding the queue up, and steering it, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import AuditEntry, Job, JobStatus, MessageStatus, PauseMode, now
from bot.errors import QueueDraining
from bot.queue.pauses import EVERYWHERE, Pauses
from bot.queue.repository import PATIENCE, JobQueue, place_of
from bot.queue.steering import QueueSteering
from tests.bot.conversations.steps import at_its_follow_ups
from tests.bot.rows import LIMITS, answer, begin, job, service

HERE, THERE, ADMIN = 10, 11, 900


class Steered:
    """The steering of a database, and what it told the dispatcher."""

    def __init__(self, database: Database) -> None:
        self.told: list[tuple[int, bool]] = []
        self.woken = 0
        self.steering = QueueSteering(database, LIMITS, wake=self._wake, stopped=self._stopped)

    def _wake(self) -> None:
        self.woken += 1

    async def _stopped(self, answer_id: int, waited: bool) -> None:
        self.told.append((answer_id, waited))


async def claim(database: Database) -> Job | None:
    async with database.transaction() as session:
        return await JobQueue(session, LIMITS).claim("test", timedelta(seconds=20))


async def hold(database: Database, guild_id: int, mode: PauseMode) -> bool:
    async with database.transaction() as session:
        return await Pauses(session).set(guild_id, mode)


async def lift(database: Database, guild_id: int) -> bool:
    async with database.transaction() as session:
        return await Pauses(session).lift(guild_id)


async def log(database: Database) -> list[tuple[str, dict[str, object]]]:
    async with database.transaction() as session:
        entries = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(entry.action, entry.details) for entry in entries]


async def test_a_pause_keeps_its_servers_requests_and_no_others(database: Database) -> None:
    here = await begin(database, 1, guild_id=HERE)
    there = await begin(database, 2, guild_id=THERE)
    assert await hold(database, HERE, PauseMode.PAUSE)
    assert not await hold(database, HERE, PauseMode.PAUSE), "it is paused already"
    claimed = await claim(database)
    assert claimed is not None
    assert claimed.id == there.job_id
    assert await claim(database) is None
    assert await lift(database, HERE)
    assert not await lift(database, HERE)
    claimed = await claim(database)
    assert claimed is not None
    assert claimed.id == here.job_id


@pytest.mark.parametrize("guild_id", [HERE, None])
async def test_a_pause_for_all_holds_up_what_is_in_no_server_too(
    database: Database, guild_id: int | None
) -> None:
    queued = await begin(database, 1, guild_id=guild_id)
    await hold(database, EVERYWHERE, PauseMode.PAUSE)
    assert await claim(database) is None
    async with database.transaction() as session:
        assert await JobQueue(session, LIMITS).held_up() == {queued.job_id}
    await hold(database, EVERYWHERE, PauseMode.DRAIN)
    assert await claim(database) is not None


async def test_a_pause_uses_up_nobodys_patience_with_a_worker_that_is_away(database: Database) -> None:
    queued = await begin(database, 1, guild_id=HERE)
    async with database.transaction() as session:
        (await session.get_one(Job, queued.job_id)).away_since = now() - 2 * PATIENCE
    await hold(database, HERE, PauseMode.PAUSE)
    await lift(database, HERE)
    claimed = await claim(database)
    assert claimed is not None
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        row = await queue.owned(claimed)
        assert row is not None
        assert queue.put_back(row, after=0, fault=False, away=True), "it is tried again"


async def test_those_held_up_stand_behind_all_others_and_have_no_expected_time(database: Database) -> None:
    first = await begin(database, 1, guild_id=HERE)
    second = await begin(database, 2, guild_id=THERE)
    await hold(database, HERE, PauseMode.PAUSE)
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        waiting, held = await queue.waiting(), await queue.held_up()
    assert waiting == [second.job_id, first.job_id]
    place = place_of(first.job_id, waiting, 10.0, 1, held)
    assert place is not None
    assert (place.position, place.seconds, place.held) == (2, None, True)


async def test_a_draining_server_takes_nothing_and_writes_what_waits(database: Database) -> None:
    queued = await begin(database, 1, guild_id=HERE)
    await hold(database, HERE, PauseMode.DRAIN)
    with pytest.raises(QueueDraining):
        await begin(database, 2, guild_id=HERE)
    await begin(database, 2, guild_id=THERE)
    claimed = await claim(database)
    assert claimed is not None
    assert claimed.id == queued.job_id


async def test_an_admin_sees_and_stops_what_is_in_their_own_server_alone(database: Database) -> None:
    here, there = await begin(database, 1, guild_id=HERE), await begin(database, 2, guild_id=THERE)
    steered = Steered(database)
    view = await steered.steering.view(HERE)
    assert [entry.job_id for entry in view.waiting] == [here.job_id]
    assert view.waiting_count == 1
    assert (await steered.steering.view(None)).waiting_count == 2
    assert await steered.steering.cancel(there.job_id, HERE, log_guild=HERE, actor_id=ADMIN) is None
    assert (await job(database, there.job_id)).status == JobStatus.QUEUED
    stopped = await steered.steering.cancel(here.job_id, HERE, log_guild=HERE, actor_id=ADMIN)
    assert stopped is not None
    assert (await job(database, here.job_id)).status == JobStatus.CANCELLED
    assert (await answer(database, here.answer_id)).status == MessageStatus.STOPPED
    assert steered.told == [(here.answer_id, True)]
    assert await steered.steering.cancel(here.job_id, HERE, log_guild=HERE, actor_id=ADMIN) is None
    ((action, details),) = await log(database)
    assert (action, details["member"]) == ("queue cancel", 1)


async def test_what_is_written_is_asked_to_stop_and_its_writer_told(database: Database) -> None:
    queued = await begin(database, 1, guild_id=HERE)
    assert await claim(database) is not None
    steered = Steered(database)
    (entry,) = (await steered.steering.view(HERE)).running
    assert (entry.job_id, entry.position) == (queued.job_id, 0)
    await steered.steering.cancel(queued.job_id, HERE, log_guild=HERE, actor_id=ADMIN)
    row = await job(database, queued.job_id)
    assert (row.status, row.cancel_requested) == (JobStatus.RUNNING, True)
    assert steered.told == [(queued.answer_id, False)]


async def test_an_admin_stops_the_very_request_they_chose_of_two_for_one_answer(database: Database) -> None:
    begun = await begin(database, 1, guild_id=HERE)
    await at_its_follow_ups(database)
    further = await service(database).go_on(begun.answer_id, 1, None)
    steered = Steered(database)
    for queued in (begun, further):
        await steered.steering.cancel(queued.job_id, HERE, log_guild=HERE, actor_id=ADMIN)
        assert (await job(database, queued.job_id)).cancel_requested
        assert (await job(database, further.job_id)).cancel_requested is (queued is further)


async def test_pausing_twice_is_noted_once_and_going_on_wakes_the_dispatcher(database: Database) -> None:
    steered = Steered(database)
    for _ in range(2):
        await steered.steering.hold(None, PauseMode.PAUSE, log_guild=HERE, actor_id=ADMIN)
    assert (await steered.steering.view(HERE)).mode(EVERYWHERE) is PauseMode.PAUSE
    await steered.steering.resume(None, log_guild=HERE, actor_id=ADMIN)
    assert steered.woken == 1
    assert await log(database) == [
        ("queue hold", {"mode": "pause", "everywhere": True}),
        ("queue resume", {"everywhere": True}),
    ]

"""The queue's promises: fair turns, one answer a conversation, limits, leases."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from bot.database.connection import Database, open_database
from bot.database.tables import Job, JobStatus, now
from bot.errors import QueueFull, TooManyWaiting
from bot.limits.concurrency import overfills_member
from bot.queue.repository import MAX_ATTEMPTS, PATIENCE, JobQueue, Limits, is_dead, new_owner, place_of
from tests.bot.conversations.steps import at_its_follow_ups
from tests.bot.rows import LIMITS, begin, job, service

LEASE = timedelta(seconds=30)


async def claim(database: Database, owner: str = "me", limits: Limits = LIMITS) -> Job | None:
    async with database.transaction() as session:
        return await JobQueue(session, limits).claim(owner, LEASE)


async def end(database: Database, job: Job) -> None:
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        owned = await queue.owned(job)
        assert owned is not None
        queue.end(owned, JobStatus.DONE)


async def expire(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(Job).values(lease_until=now() - timedelta(seconds=1)))


async def test_members_take_turns_however_much_one_asks_for(database: Database) -> None:
    for member in (1, 1, 1, 1, 2, 3):
        await begin(database, member)
    served = []
    while (job := await claim(database)) is not None:
        served.append(job.member_id)
        await end(database, job)
    assert served == [1, 2, 3, 1, 1, 1]


async def test_nobody_is_passed_by_those_who_ask_later_whether_or_not_they_were_served_before(
    database: Database,
) -> None:
    for member in (1, 2):
        await begin(database, member)
    for _ in range(2):
        job = await claim(database)
        assert job is not None
        await end(database, job)
    asked = [2, 3, 1, 4, 2]
    jobs = {(await begin(database, member)).job_id: member for member in asked}
    async with database.transaction() as session:
        foreseen = [jobs[job_id] for job_id in await JobQueue(session, LIMITS).waiting()]
    served = []
    while (job := await claim(database)) is not None:
        served.append(job.member_id)
        await end(database, job)
    assert served == foreseen == [2, 3, 1, 4, 2]


async def test_who_was_just_served_waits_for_all_who_wait_already(database: Database) -> None:
    for member in (1, 1, 2):
        await begin(database, member)
    served = []
    for newcomer in (3, 4, 5):
        job = await claim(database)
        assert job is not None
        served.append(job.member_id)
        await end(database, job)
        await begin(database, newcomer)
    assert served == [1, 2, 1], "newcomers do not keep who waits from their next turn"


async def test_a_member_has_no_more_answers_written_at_once_than_allowed(database: Database) -> None:
    for _ in range(3):
        await begin(database, 1)
    two = Limits(queue=100, member_waiting=100, member_running=2)
    assert await claim(database, limits=two) is not None
    assert await claim(database, limits=two) is not None
    assert await claim(database, limits=two) is None


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_job_too_many_for_its_member_is_seen_once_it_is_claimed(database: Database) -> None:
    for _ in range(2):
        await begin(database, 1)
    async with database.transaction() as session:
        await session.execute(update(Job).values(status=JobStatus.RUNNING))
        job = await session.get_one(Job, 2)
        assert await overfills_member(session, job, room=1)
        assert not await overfills_member(session, job, room=2)
        job.member_concurrency = 2
        assert not await overfills_member(session, job, room=1)


async def test_one_answer_at_a_time_in_a_conversation(database: Database) -> None:
    queued = await begin(database, 1)
    async with database.transaction() as session:
        await JobQueue(session, LIMITS).add(
            conversation_id=queued.conversation_id,
            answer_id=queued.answer_id,
            member_id=1,
            guild_id=None,
            locale=None,
        )
    wide = Limits(queue=100, member_waiting=100, member_running=9)
    assert await claim(database, limits=wide) is not None
    assert await claim(database, limits=wide) is None


async def test_the_database_itself_refuses_two_running_answers_in_a_conversation(database: Database) -> None:
    queued = await begin(database, 1)
    assert await claim(database) is not None
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            job = await JobQueue(session, LIMITS).add(
                conversation_id=queued.conversation_id,
                answer_id=queued.answer_id,
                member_id=1,
                guild_id=None,
                locale=None,
            )
            job.status = JobStatus.RUNNING


async def test_a_full_queue_says_so_and_keeps_what_it_has(database: Database) -> None:
    small = service(database, Limits(queue=2, member_waiting=5, member_running=1))
    from tests.bot.rows import opening

    await small.begin(opening(1), thread_id=1)
    await small.begin(opening(2), thread_id=2)
    with pytest.raises(QueueFull):
        await small.begin(opening(3), thread_id=3)
    async with database.transaction() as session:
        assert len(await JobQueue(session, LIMITS).waiting()) == 2
    assert not await small.holds(3)


async def test_a_member_with_enough_waiting_is_refused_and_others_are_not(database: Database) -> None:
    from tests.bot.rows import opening

    small = service(database, Limits(queue=100, member_waiting=1, member_running=1))
    await small.begin(opening(1), thread_id=1)
    with pytest.raises(TooManyWaiting):
        await small.begin(opening(1), thread_id=2)
    await small.begin(opening(2), thread_id=3)


async def test_a_job_whose_lease_ran_out_is_taken_back(database: Database) -> None:
    await begin(database)
    first = await claim(database, "dead")
    await expire(database)
    async with database.transaction() as session:
        assert await JobQueue(session, LIMITS).take_back() == []
    second = await claim(database, "alive")
    assert first is not None
    assert second is not None
    assert (second.id, second.attempts) == (first.id, 2)
    async with database.transaction() as session:
        assert await JobQueue(session, LIMITS).owned(first) is None
        assert await JobQueue(session, LIMITS).owned(second) is not None


async def test_a_held_lease_is_not_taken_back(database: Database) -> None:
    await begin(database)
    job = await claim(database)
    assert job is not None
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        assert await queue.hold({job.id: str(job.lease_owner), 999: "gone"}, LEASE) == {job.id}
        assert await queue.hold({job.id: "somebody else"}, LEASE) == set()
        await queue.take_back()
        assert await queue.owned(job) is not None


async def test_a_process_that_claims_its_own_stalled_job_again_holds_one_lease(database: Database) -> None:
    await begin(database)
    first = await claim(database)
    await expire(database)
    async with database.transaction() as session:
        await JobQueue(session, LIMITS).take_back()
    second = await claim(database)
    assert first is not None
    assert second is not None
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        assert await queue.owned(first) is None
        assert await queue.owned(second) is not None


async def test_a_job_that_stalls_again_and_again_fails(database: Database) -> None:
    await begin(database)
    failed: list[Job] = []
    for _ in range(MAX_ATTEMPTS):
        assert await claim(database) is not None
        await expire(database)
        async with database.transaction() as session:
            failed = await JobQueue(session, LIMITS).take_back()
    assert [job.status for job in failed] == [JobStatus.FAILED]
    assert await claim(database) is None


async def test_the_leases_of_a_killed_process_are_taken_back_at_once(database: Database) -> None:
    await begin(database)
    child = subprocess.run(
        [sys.executable, "-c", "from bot.queue.repository import new_owner; print(new_owner())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    owner = child.stdout.strip()
    assert is_dead(owner)
    await claim(database, owner)
    async with database.transaction() as session:
        await JobQueue(session, LIMITS).take_back()
        assert await JobQueue(session, LIMITS).waiting() == []
        await JobQueue(session, LIMITS).take_back(dead_owners=True)
        assert len(await JobQueue(session, LIMITS).waiting()) == 1


def test_an_owner_on_another_host_is_not_called_dead() -> None:
    assert not is_dead("elsewhere:1:ab")
    assert not is_dead("nonsense")
    host = new_owner().partition(":")[0]
    assert not is_dead(f"{host}:1:ab"), "process 1 always runs"


async def test_a_queued_job_that_is_stopped_is_over(database: Database) -> None:
    queued = await begin(database)
    async with database.transaction() as session:
        job = await JobQueue(session, LIMITS).request_cancel(queued.answer_id)
        assert job is not None
        assert job.status == JobStatus.CANCELLED
    assert await claim(database) is None


async def test_a_running_job_learns_that_it_is_to_stop(database: Database) -> None:
    queued = await begin(database)
    job = await claim(database)
    assert job is not None
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        assert await queue.cancelled_among([job.id]) == set()
        await queue.request_cancel(queued.answer_id)
        assert await queue.cancelled_among([job.id]) == {job.id}


@pytest.mark.parametrize("goes_on_first", [False, True])
async def test_of_two_jobs_of_an_answer_the_one_that_still_writes_is_stopped(
    database: Database, goes_on_first: bool
) -> None:
    begun = await begin(database)
    await at_its_follow_ups(database)
    further = await service(database).go_on(begun.answer_id, 1, None)
    if goes_on_first:  # it was claimed, and handed back, while the other one rests
        async with database.transaction() as session:
            (await session.get_one(Job, begun.job_id)).status = JobStatus.QUEUED
            (await session.get_one(Job, further.job_id)).status = JobStatus.RUNNING
    stopped = await service(database).stop(begun.answer_id)
    assert stopped is not None
    assert (stopped.id, stopped.cancel_requested) == (further.job_id, True)
    assert not (await job(database, begun.job_id)).cancel_requested


async def test_a_job_put_back_rests_and_then_runs(database: Database) -> None:
    await begin(database)
    job = await claim(database)
    assert job is not None
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        owned = await queue.owned(job)
        assert owned is not None
        assert queue.put_back(owned, after=0.2, fault=False)
    assert await claim(database) is None
    await asyncio.sleep(0.25)
    again = await claim(database)
    assert again is not None
    assert again.attempts == 1, "waiting for a worker that is away is nobody's fault"


async def test_a_worker_is_away_for_too_long_only_where_it_is_without_a_break(database: Database) -> None:
    await begin(database)
    running = await claim(database)
    assert running is not None
    async with database.transaction() as session:
        queue = JobQueue(session, LIMITS)
        owned = await queue.owned(running)
        assert owned is not None
        owned.away_since = now() - 2 * PATIENCE
        assert not queue.put_back(owned, fault=False, away=True)
        assert queue.put_back(owned, fault=False), "it sleeps, which is waited for"
        assert queue.put_back(owned, fault=False, away=True)


async def test_places_are_counted_by_rounds(database: Database) -> None:
    jobs = [await begin(database, member) for member in (1, 1, 2)]
    async with database.transaction() as session:
        waiting = await JobQueue(session, LIMITS).waiting()
    assert [waiting.index(q.job_id) + 1 for q in jobs] == [1, 3, 2]


def test_the_expected_time_is_that_of_those_before_and_its_own_over_the_slots() -> None:
    place = place_of(7, [5, 6, 7], 20.0, slots=2)
    assert place is not None
    assert (place.position, place.seconds) == (3, 30.0)
    assert place_of(8, [5, 6, 7], 20.0, slots=2) is None
    unknown = place_of(5, [5], None, slots=2)
    assert unknown is not None
    assert unknown.seconds is None


async def test_concurrent_processes_claim_every_job_once(database_url: str) -> None:
    async with open_database(database_url) as database:
        for member in range(60):
            await begin(database, member + 1)
    script = """
import asyncio, sys
from datetime import timedelta
from sqlalchemy.exc import IntegrityError
from bot.database.connection import open_database
from bot.queue.repository import JobQueue, Limits

async def main():
    async with open_database(sys.argv[1]) as database:
        while True:
            async with database.transaction() as session:
                job = await JobQueue(session, Limits(999, 999, 1)).claim("p", timedelta(seconds=60))
            if job is None:
                return
            print(job.id, flush=True)
asyncio.run(main())
"""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, database_url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    outputs = [(await process.communicate())[0] for process in processes]
    claims = Counter(line for output in outputs for line in output.split())
    assert len(claims) == 60
    assert set(claims.values()) == {1}

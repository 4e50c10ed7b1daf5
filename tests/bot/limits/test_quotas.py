"""What members use of their quotas, counted from their requests; and how many answers are written at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.conversations.repository import ConversationRepository
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import Job, JobStatus, QuotaSubject, now
from bot.errors import QuotaReached
from bot.limits.quotas import Quotas
from bot.queue.repository import JobQueue, Limits
from tests.bot.rows import LIMITS, begin, opening, service

GUILD, OTHER_GUILD, ROLE = 10, 11, 50
LEASE = timedelta(seconds=30)
WIDE = Limits(queue=100, member_waiting=100, member_running=9)


async def allow(
    database: Database,
    answers: int | None = None,
    subject: QuotaSubject = QuotaSubject.EVERYONE,
    subject_id: int = 0,
    concurrency: int | None = None,
) -> None:
    async with database.transaction() as session:
        await Quotas(session).set(
            GUILD, subject, subject_id, answers_per_day=answers, concurrency=concurrency
        )


async def claim(database: Database, limits: Limits = LIMITS) -> Job | None:
    async with database.transaction() as session:
        return await JobQueue(session, limits).claim("me", LEASE)


async def set_jobs(database: Database, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(update(Job).values(**values))


async def test_what_is_used_up_is_refused_and_said_with_when_it_ends(database: Database) -> None:
    await allow(database, 2)
    await begin(database)
    await begin(database)
    with pytest.raises(QuotaReached) as caught:
        await begin(database)
    assert caught.value.limit == 2
    assert not caught.value.everybody
    assert caught.value.free_at is not None
    assert abs(caught.value.free_at - now() - timedelta(hours=24)) < timedelta(minutes=1)


async def test_a_day_is_the_last_24_hours(database: Database) -> None:
    await allow(database, 1)
    await begin(database)
    await set_jobs(database, created_at=now() - timedelta(hours=23, minutes=59))
    with pytest.raises(QuotaReached) as caught:
        await begin(database)
    assert caught.value.free_at is not None
    assert caught.value.free_at - now() < timedelta(minutes=2)
    await set_jobs(database, created_at=now() - timedelta(hours=24, minutes=1))
    await begin(database)


async def test_when_the_next_is_free_counts_from_the_one_that_makes_room(database: Database) -> None:
    await begin(database)
    await set_jobs(database, created_at=now() - timedelta(hours=20))
    await begin(database)
    await begin(database)
    await allow(database, 1)
    with pytest.raises(QuotaReached) as caught:
        await begin(database)
    assert caught.value.free_at is not None
    assert caught.value.free_at - now() > timedelta(hours=23), "three are used and one is allowed"


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
async def test_what_came_to_nothing_is_not_counted(database: Database, status: JobStatus) -> None:
    await allow(database, 1)
    await begin(database)
    await set_jobs(database, status=status)
    await begin(database)


async def test_none_at_all_has_no_end(database: Database) -> None:
    await allow(database, 0)
    with pytest.raises(QuotaReached) as caught:
        await begin(database)
    assert caught.value.free_at is None


async def test_a_role_gives_more_to_who_has_it(database: Database) -> None:
    await allow(database, 1)
    await allow(database, 2, QuotaSubject.ROLE, ROLE)
    for _ in range(2):
        await begin(database, role_ids=(ROLE,))
    with pytest.raises(QuotaReached):
        await begin(database, role_ids=(ROLE,))
    await begin(database, member=2)
    with pytest.raises(QuotaReached):
        await begin(database, member=2)


async def test_the_servers_quota_counts_all_its_members_and_no_other_server(database: Database) -> None:
    await allow(database, 2, QuotaSubject.GUILD)
    await begin(database, member=1, guild_id=OTHER_GUILD)
    await begin(database, member=1)
    await begin(database, member=2)
    with pytest.raises(QuotaReached) as caught:
        await begin(database, member=3)
    assert caught.value.everybody


async def test_new_tries_and_continuations_count_too(database: Database) -> None:
    queued = await begin(database)
    await set_jobs(database, status=JobStatus.DONE)
    await allow(database, 1)
    with pytest.raises(QuotaReached):
        await service(database).regenerate(queued.answer_id, 1, None)
    with pytest.raises(QuotaReached):
        await service(database).go_on(queued.answer_id, 1, None)


async def test_a_refused_message_is_not_in_the_conversation(database: Database) -> None:
    await allow(database, 1)
    await service(database).begin(opening(1), thread_id=77)
    await set_jobs(database, status=JobStatus.DONE)
    with pytest.raises(QuotaReached):
        await service(database).say(Said(77, 1001, 1, "Ada", "more"))
    async with database.transaction() as session:
        assert not await ConversationRepository(session).knows(1001)


async def test_a_quota_says_how_many_answers_of_a_member_are_written_at_once(database: Database) -> None:
    await allow(database, concurrency=2)
    for _ in range(3):
        await begin(database)
    assert await claim(database) is not None
    assert await claim(database) is not None
    assert await claim(database) is None


async def test_a_servers_members_wait_for_each_other_where_its_quota_says_so(database: Database) -> None:
    await allow(database, subject=QuotaSubject.GUILD, concurrency=1)
    for member in (1, 2):
        await begin(database, member)
    await begin(database, 3, guild_id=OTHER_GUILD)
    first, second = await claim(database, WIDE), await claim(database, WIDE)
    assert first is not None
    assert second is not None
    assert [first.member_id, second.member_id] == [1, 3], "another server is not held up"
    assert await claim(database, WIDE) is None
    async with database.transaction() as session:
        queue = JobQueue(session, WIDE)
        done = await queue.owned(first)
        assert done is not None
        queue.end(done, JobStatus.DONE)
    third = await claim(database, WIDE)
    assert third is not None
    assert third.member_id == 2


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
async def test_two_processes_that_claim_at_the_same_instant_do_not_overfill_a_server(
    database: Database,
) -> None:
    await allow(database, subject=QuotaSubject.GUILD, concurrency=1)
    for member in (1, 2):
        await begin(database, member)
    claimed, may_commit = asyncio.Event(), asyncio.Event()

    async def first() -> Job | None:
        async with database.transaction() as session:
            job = await JobQueue(session, WIDE).claim("first", LEASE)
            claimed.set()
            await may_commit.wait()
            return job

    async def second() -> Job | None:
        await claimed.wait()
        asyncio.get_running_loop().call_later(0.3, may_commit.set)
        return await claim(database, WIDE)

    jobs = await asyncio.gather(first(), second())
    assert [job is None for job in jobs] == [False, True]
    async with database.transaction() as session:
        assert await JobQueue(session, WIDE).running() == 1
        (waiting,) = await JobQueue(session, WIDE).waiting()
        job = await session.get_one(Job, waiting)
    assert (job.attempts, job.started_at, job.lease_owner) == (0, None, None)


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
async def test_the_last_answer_is_given_once_where_two_ask_at_the_same_instant(database: Database) -> None:
    await begin(database, 1)
    await allow(database, 2)
    results = await asyncio.gather(begin(database, 1), begin(database, 1), return_exceptions=True)
    assert sorted(isinstance(result, QuotaReached) for result in results) == [False, True]

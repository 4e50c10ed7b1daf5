"""What members can do with a conversation, on real databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.conversations.base import Queued
from bot.conversations.errors import AlreadyAStory, NotTheLastAnswer, StillWriting
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import (
    Conversation,
    ConversationStatus,
    Delivery,
    DeliveryKind,
    Job,
    JobStatus,
    Message,
    MessageStatus,
    now,
)
from bot.queue.repository import JobQueue
from tests.bot.conversations.steps import answered, run_job, say, thread_of
from tests.bot.rows import LIMITS, answer, begin, branch, job, opening, service


async def test_messages_before_the_answer_has_begun_are_answered_together(database: Database) -> None:
    first = await begin(database, text="one")
    second = await say(database, first, "two")
    third = await say(database, first, "three", author=2)
    assert second is not None
    assert third is not None
    assert second.job_id == third.job_id == first.job_id
    assert await branch(database, first.answer_id) == ["one", "two", "three", ""]


async def test_messages_while_the_answer_is_written_are_answered_together_after_it(
    database: Database,
) -> None:
    first = await begin(database, text="one")
    await run_job(database)
    second = await say(database, first, "two")
    third = await say(database, first, "three")
    assert second is not None
    assert third is not None
    assert second.job_id == third.job_id != first.job_id
    await answered(database, first, "answer to one")
    assert await branch(database, second.answer_id) == ["one", "answer to one", "two", "three", ""]


async def test_a_message_seen_twice_is_in_the_conversation_once(database: Database) -> None:
    first = await begin(database)
    said = Said(await thread_of(database, first), 777, 1, "member", "hello")
    assert await service(database).say(said) is not None
    assert await service(database).say(said) is None


async def test_threads_of_others_are_left_alone(database: Database) -> None:
    assert await service(database).say(Said(424242, 1, 1, "member", "hello")) is None


async def test_a_lost_thread_is_not_answered(database: Database) -> None:
    first = await begin(database)
    await service(database).lose_thread(await thread_of(database, first))
    assert await say(database, first, "anybody there?") is None


async def test_a_server_that_removed_the_bot_is_lost_with_all_its_threads(database: Database) -> None:
    here = await begin(database, 1, guild_id=10)
    there = await begin(database, 2, guild_id=11)
    await service(database).lose_guild(10)
    assert not await service(database).holds(await thread_of(database, here))
    assert await service(database).holds(await thread_of(database, there))


async def test_a_job_rests_until_its_thread_is_open(database: Database) -> None:
    queued = await service(database).begin(opening())
    async with database.transaction() as session:
        assert await JobQueue(session, LIMITS).claim("me", timedelta(seconds=30)) is None
    await service(database).ready(queued)
    await run_job(database)


async def test_a_story_whose_thread_cannot_be_opened_leaves_the_queue(database: Database) -> None:
    queued = await service(database).begin(opening())
    await service(database).abandon(queued, "no permission")
    assert (await job(database, queued.job_id)).status == JobStatus.CANCELLED
    async with database.transaction() as session:
        row = await session.get_one(Conversation, queued.conversation_id)
    assert row.status == ConversationStatus.LOST


async def test_regenerating_keeps_the_older_answer_as_a_sibling(database: Database) -> None:
    first = await begin(database, text="one")
    await answered(database, first, "first try")
    again = await service(database).regenerate(first.answer_id, 1, None)
    await answered(database, again, "second try")
    assert await branch(database, again.answer_id) == ["one", "second try"]
    assert await branch(database, first.answer_id) == ["one", "first try"]


async def test_a_regenerated_answer_takes_over_the_messages_of_the_older_one(database: Database) -> None:
    first = await begin(database)
    await answered(database, first)
    async with database.transaction() as session:
        session.add(
            Delivery(
                message_id=first.answer_id,
                kind=DeliveryKind.TEXT,
                part=0,
                nonce="n",
                channel_id=1,
                discord_message_id=99,
                text_hash="",
            )
        )
    again = await service(database).regenerate(first.answer_id, 1, None)
    async with database.transaction() as session:
        rows = (await session.scalars(select(Delivery))).all()
    assert [(row.message_id, row.discord_message_id) for row in rows] == [(again.answer_id, 99)]


async def test_only_the_last_answer_can_be_written_anew(database: Database) -> None:
    first = await begin(database)
    await answered(database, first)
    second = await say(database, first, "and then?")
    assert second is not None
    await answered(database, second)
    with pytest.raises(NotTheLastAnswer):
        await service(database).regenerate(first.answer_id, 1, None)


async def test_a_double_click_queues_one_answer(database: Database) -> None:
    first = await begin(database)
    await answered(database, first)
    await service(database).regenerate(first.answer_id, 1, None)
    with pytest.raises(StillWriting):
        await service(database).regenerate(first.answer_id, 1, None)


async def test_a_posted_answer_can_be_gone_on_with_while_its_look_up_is_fetched(database: Database) -> None:
    first = await begin(database)
    await run_job(database)
    async with database.transaction() as session:
        (await session.get_one(Message, first.answer_id)).status = MessageStatus.WRITTEN
    with pytest.raises(StillWriting):
        await service(database).go_on(first.answer_id, 1, None)
    async with database.transaction() as session:
        (await session.get_one(Job, first.job_id)).text_posted = True
    more = await service(database).go_on(first.answer_id, 1, None)
    assert (await job(database, more.job_id)).status == JobStatus.QUEUED
    with pytest.raises(StillWriting):
        await service(database).go_on(first.answer_id, 1, None)


async def test_a_message_does_not_slip_in_before_text_that_is_gone_on_with(database: Database) -> None:
    first = await begin(database, text="one")
    await answered(database, first, "a story")
    await service(database).go_on(first.answer_id, 1, None)
    second = await say(database, first, "what about Bob?")
    assert second is not None
    assert await branch(database, second.answer_id) == ["one", "a story", "what about Bob?", ""]


async def test_a_message_leaves_the_siblings_of_a_waiting_answer_together(database: Database) -> None:
    first = await begin(database, text="one")
    await answered(database, first, "first try")
    again = await service(database).regenerate(first.answer_id, 1, None)
    second = await say(database, first, "and faster")
    assert second is not None
    assert second.job_id != again.job_id
    await answered(database, again, "second try")
    assert await branch(database, second.answer_id) == ["one", "second try", "and faster", ""]


async def test_two_presses_at_once_queue_one_answer(database: Database) -> None:
    first = await begin(database)
    await answered(database, first)
    results = await asyncio.gather(
        *(service(database).regenerate(first.answer_id, 1, None) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, Queued) for result in results) == 1
    assert {type(result) for result in results} <= {Queued, StillWriting, NotTheLastAnswer}


async def test_messages_of_a_new_member_at_once_are_all_answered(database: Database) -> None:
    first = await begin(database, text="one")
    results = await asyncio.gather(*(say(database, first, f"hello {n}", author=9) for n in range(4)))
    assert {result.job_id for result in results if result is not None} == {first.job_id}
    assert len(await branch(database, first.answer_id)) == 6


async def test_a_story_that_could_not_be_opened_may_be_begun_again_from_its_message(
    database: Database,
) -> None:
    queued = await service(database).begin(opening(source_message_id=42))
    with pytest.raises(AlreadyAStory):
        await service(database).begin(opening(source_message_id=42))
    await service(database).abandon(queued, "no permission")
    await service(database).begin(opening(source_message_id=42))


async def test_a_thread_whose_story_was_lost_is_free_for_another(database: Database) -> None:
    await service(database).begin(opening(), thread_id=77)
    with pytest.raises(AlreadyAStory):
        await service(database).begin(opening(), thread_id=77)
    await service(database).lose_thread(77)
    await service(database).begin(opening(), thread_id=77)
    assert await service(database).holds(77)


async def test_a_refused_message_is_not_found_again_by_reading_up(database: Database) -> None:
    first = await begin(database)
    thread_id = await thread_of(database, first)
    await service(database).note_seen(thread_id, 8_000_000)
    assert await service(database).last_seen() == [(thread_id, 8_000_000)]


async def test_paging_between_siblings(database: Database) -> None:
    first = await begin(database)
    await answered(database, first, "first")
    second = await service(database).regenerate(first.answer_id, 1, None)
    await answered(database, second, "second")
    older = await service(database).turn_page(second.answer_id, -1)
    assert older is not None
    assert older.content == "first"
    assert await service(database).turn_page(first.answer_id, -1) is None
    more = await say(database, first, "I like this one")
    assert more is not None
    assert (await branch(database, more.answer_id))[1:3] == ["first", "I like this one"]


async def test_paging_from_a_sibling_that_is_not_active_brings_the_active_one(database: Database) -> None:
    first = await begin(database)
    await answered(database, first, "first")
    second = await service(database).regenerate(first.answer_id, 1, None)
    assert await service(database).turn_page(first.answer_id, 1) is None, "it is still written"
    await answered(database, second, "second")
    await service(database).turn_page(second.answer_id, -1)
    for step in (-1, 1):  # the message still shows the second one
        shown = await service(database).turn_page(second.answer_id, step)
        assert shown is not None
        assert shown.id == first.answer_id


async def test_going_on_keeps_what_is_written(database: Database) -> None:
    first = await begin(database)
    await answered(database, first, "Once upon")
    more = await service(database).go_on(first.answer_id, 1, None)
    assert more.answer_id == first.answer_id
    row = await answer(database, first.answer_id)
    assert (row.content, row.status) == ("Once upon", MessageStatus.WAITING)


async def test_stopping_a_waiting_answer_ends_it(database: Database) -> None:
    queued = await begin(database)
    stopped = await service(database).stop(queued.answer_id)
    assert stopped is not None
    assert stopped.status == JobStatus.CANCELLED
    assert (await answer(database, queued.answer_id)).status == MessageStatus.STOPPED
    assert await service(database).stop(queued.answer_id) is None, "the second click finds nothing to stop"


async def test_those_who_write_in_a_story_may_steer_it(database: Database) -> None:
    first = await begin(database, member=1)
    await say(database, first, "me too", author=2)
    assert await service(database).writers_of(first.answer_id) == {1, 2}
    assert await service(database).writers_of(99_999) == set()


async def test_a_verdict_can_be_changed_and_taken_back(database: Database) -> None:
    first = await begin(database)
    verdicts = [await service(database).rate(first.answer_id, 5, rating) for rating in (1, -1, -1, 1)]
    assert verdicts == [1, -1, None, 1]


async def test_reading_up_begins_after_the_newest_known_message(database: Database) -> None:
    first = await begin(database, source_message_id=500)
    thread_id = await thread_of(database, first)
    await service(database).say(Said(thread_id, 9_000_000, 1, "m", "x"))
    assert await service(database).last_seen() == [(thread_id, 9_000_000)]


async def test_a_message_after_a_failed_answer_is_answered(database: Database) -> None:
    first = await begin(database, text="one")
    async with database.transaction() as session:
        row = await session.get_one(Job, first.job_id)
        JobQueue(session, LIMITS).end(row, JobStatus.FAILED, "x")
        (await session.get_one(Message, first.answer_id)).status = MessageStatus.FAILED
    second = await say(database, first, "two")
    assert second is not None
    assert (await job(database, second.job_id)).status == JobStatus.QUEUED
    assert (await job(database, second.job_id)).created_at <= now()

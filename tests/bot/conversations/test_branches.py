"""Leaving a branch for another, and taking back, on real databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.conversations.base import Queued
from bot.conversations.errors import AlreadyHere, NotAnAnswer, NothingToTakeBack, StillWriting
from bot.database.connection import Database
from bot.database.tables import Delivery, JobStatus, Message
from tests.bot.conversations.steps import (
    answered,
    at_its_follow_ups,
    conversation,
    exchange,
    post,
    run_job,
    say,
    thread_of,
)
from tests.bot.rows import answer, begin, branch, job, service

FIRST, SECOND = 901, 902  # Discord messages that show the first and the second answer


async def two_exchanges(database: Database) -> tuple[Queued, Queued]:
    first = await answered(database, await begin(database, text="one"), "first", FIRST)
    second = await exchange(database, first, "two", "second", said_in=802, shown_by=SECOND)
    return first, second


async def test_a_reply_to_an_older_answer_branches_there(database: Database) -> None:
    first, _ = await two_exchanges(database)
    queued = await say(database, first, "rather this", replies_to=FIRST)
    assert queued is not None
    assert queued.branched is not None
    assert queued.branched.answer_id == first.answer_id
    assert queued.branched.discord_message_id == FIRST
    assert await branch(database, queued.answer_id) == ["one", "first", "rather this", ""]


async def test_a_reply_to_the_last_answer_goes_on(database: Database) -> None:
    first, _ = await two_exchanges(database)
    queued = await say(database, first, "more", replies_to=SECOND)
    assert queued is not None
    assert queued.branched is None
    assert await branch(database, queued.answer_id) == ["one", "first", "two", "second", "more", ""]


async def test_a_reply_to_the_last_part_or_the_look_up_of_an_answer_is_a_reply_to_it(
    database: Database,
) -> None:
    first, _ = await two_exchanges(database)
    async with database.transaction() as session:
        session.add(post(first.answer_id, 903, part=1))
    queued = await say(database, first, "rather this", replies_to=903)
    assert queued is not None
    assert queued.branched is not None
    assert queued.branched.answer_id == first.answer_id


async def test_a_reply_to_the_answer_that_a_burst_follows_belongs_to_the_burst(database: Database) -> None:
    first, _ = await two_exchanges(database)
    burst = await say(database, first, "three")
    more = await say(database, first, "and four", replies_to=SECOND)
    assert burst is not None
    assert more is not None
    assert (more.job_id, more.branched) == (burst.job_id, None)


async def test_a_message_after_a_branch_does_not_join_the_answer_that_waits_on_the_other(
    database: Database,
) -> None:
    first, _ = await two_exchanges(database)
    waiting = await say(database, first, "three")
    branched = await say(database, first, "rather this", replies_to=FIRST)
    joined = await say(database, first, "and that")
    assert waiting is not None
    assert branched is not None
    assert joined is not None
    assert joined.job_id == branched.job_id != waiting.job_id
    assert await branch(database, joined.answer_id) == ["one", "first", "rather this", "and that", ""]


async def test_a_reply_to_an_answer_of_another_story_is_a_message_like_any(database: Database) -> None:
    first, _ = await two_exchanges(database)
    other = await answered(database, await begin(database, member=2), "elsewhere", 950)
    queued = await say(database, first, "hm", replies_to=950)
    assert queued is not None
    assert queued.branched is None
    assert other.conversation_id != queued.conversation_id


async def test_going_on_from_an_older_answer_makes_it_the_last_one(database: Database) -> None:
    first, second = await two_exchanges(database)
    branched = await service(database).branch(first.answer_id)
    assert (branched.beginning, branched.show_again) == ("first", ())
    assert (await conversation(database, first)).active_leaf_id == first.answer_id
    again = await service(database).regenerate(first.answer_id, 1, None)
    assert await branch(database, again.answer_id) == ["one", ""]
    assert (await answer(database, second.answer_id)).content == "second"


async def test_the_story_cannot_branch_to_where_it_is_nor_to_nothing(database: Database) -> None:
    _, second = await two_exchanges(database)
    with pytest.raises(AlreadyHere):
        await service(database).branch(second.answer_id)
    with pytest.raises(NotAnAnswer):
        await service(database).branch(99_999)


async def test_a_thread_can_be_branched_to_its_own_answers_only(database: Database) -> None:
    first, _ = await two_exchanges(database)
    with pytest.raises(NotAnAnswer):
        await service(database).branch(first.answer_id, thread_id=424242)
    branched = await service(database).branch(first.answer_id, thread_id=await thread_of(database, first))
    assert branched.answer_id == first.answer_id


async def test_the_story_does_not_branch_while_an_answer_is_written(database: Database) -> None:
    first, _ = await two_exchanges(database)
    await say(database, first, "three")
    await run_job(database)
    with pytest.raises(StillWriting):
        await service(database).branch(first.answer_id)


async def test_branching_to_an_answer_behind_its_sibling_brings_it_to_the_front(database: Database) -> None:
    first = await answered(database, await begin(database, text="one"), "first try", FIRST)
    again = await answered(
        database, await service(database).regenerate(first.answer_id, 1, None), "second try"
    )
    await exchange(database, first, "two", "an answer", said_in=802, shown_by=SECOND)
    branched = await service(database).branch(first.answer_id)
    assert branched.show_again == (first.answer_id,)
    async with database.transaction() as session:
        shows = dict((await session.execute(select(Delivery.discord_message_id, Delivery.message_id))).all())
    assert shows[FIRST] == first.answer_id != again.answer_id


async def test_undo_goes_back_to_before_the_last_message(database: Database) -> None:
    first, second = await two_exchanges(database)
    taken = await service(database).undo(await thread_of(database, first))
    assert taken.answers == (second.answer_id,)
    assert taken.members == (802,)
    assert (taken.beginning, taken.empty) == ("two", ())
    queued = await say(database, first, "instead")
    assert queued is not None
    assert await branch(database, queued.answer_id) == ["one", "first", "instead", ""]


async def test_undo_takes_a_burst_back_whole(database: Database) -> None:
    first, _ = await two_exchanges(database)
    await say(database, first, "three", message_id=803)
    await say(database, first, "four", message_id=804)
    taken = await service(database).undo(await thread_of(database, first))
    assert taken.members == (803, 804)


async def test_undo_spares_an_answer_that_waits(database: Database) -> None:
    first, _ = await two_exchanges(database)
    waiting = await say(database, first, "three")
    assert waiting is not None
    taken = await service(database).undo(await thread_of(database, first))
    assert (taken.answers, taken.empty) == ((), (waiting.answer_id,))
    assert (await job(database, waiting.job_id)).status == JobStatus.CANCELLED


async def test_undo_spares_what_would_go_on_with_an_answer_that_is_at_its_follow_ups(
    database: Database,
) -> None:
    first = await begin(database)
    await at_its_follow_ups(database)
    further = await service(database).go_on(first.answer_id, 1, None)
    await service(database).undo(await thread_of(database, first))
    assert (await job(database, further.job_id)).status == JobStatus.CANCELLED


async def test_undo_waits_for_an_answer_that_is_being_written(database: Database) -> None:
    first, _ = await two_exchanges(database)
    await say(database, first, "three")
    await run_job(database)
    with pytest.raises(StillWriting):
        await service(database).undo(await thread_of(database, first))


async def test_everything_can_be_undone_and_no_more(database: Database) -> None:
    first, _ = await two_exchanges(database)
    thread = await thread_of(database, first)
    await service(database).undo(thread)
    await service(database).undo(thread)
    with pytest.raises(NothingToTakeBack):
        await service(database).undo(thread)
    queued = await say(database, first, "anew")
    assert queued is not None
    assert await branch(database, queued.answer_id) == ["anew", ""]


async def test_what_was_taken_back_is_brought_back_by_branching_to_it(database: Database) -> None:
    first, second = await two_exchanges(database)
    await service(database).undo(await thread_of(database, first))
    branched = await service(database).branch(second.answer_id)
    assert branched.show_again == (second.answer_id,)
    assert branched.restored == (802,)
    assert (await answer(database, second.answer_id)).taken_back_at is None
    async with database.transaction() as session:
        flags = (await session.scalars(select(Message.taken_back_at))).all()
    assert set(flags) == {None}


async def test_a_reply_to_what_was_taken_back_brings_it_back(database: Database) -> None:
    first, second = await two_exchanges(database)
    await service(database).undo(await thread_of(database, first))
    queued = await say(database, first, "no, this was good", replies_to=SECOND)
    assert queued is not None
    assert queued.branched is not None
    assert queued.branched.show_again == (second.answer_id,)
    assert (await branch(database, queued.answer_id))[-3:] == ["second", "no, this was good", ""]


async def test_answers_are_chosen_by_their_words_or_their_number(database: Database) -> None:
    first, second = await two_exchanges(database)
    thread = await thread_of(database, first)
    places = await service(database).answers(thread)
    assert [(p.answer_id, p.number, p.beginning, p.current) for p in places] == [
        (second.answer_id, 2, "second", True),
        (first.answer_id, 1, "first", False),
    ]
    assert [p.number for p in await service(database).answers(thread, "FIR")] == [1]
    assert [p.number for p in await service(database).answers(thread, "#2")] == [2]
    assert await service(database).answers(424242) == []


async def test_an_answer_that_stands_nowhere_on_discord_is_posted_anew(database: Database) -> None:
    first = await answered(database, await begin(database, text="one"), "first")
    await exchange(database, first, "two", "second", said_in=802, shown_by=SECOND)
    branched = await service(database).branch(first.answer_id)
    assert (branched.show_again, branched.discord_message_id) == ((first.answer_id,), None)

"""A story's language and title, and its end."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.conversations.base import Queued
from bot.conversations.errors import (
    AlreadyAStory,
    NoStoryHere,
    NotAnAnswer,
    NothingToAnswer,
    StillWriting,
    StoryClosed,
)
from bot.database.connection import Database
from bot.database.tables import Conversation, ConversationStatus, Feedback, JobStatus, now
from bot.privacy.erasure import Erasure
from bot.privacy.subject import Subject
from tests.bot.conversations.steps import (
    answered,
    at_its_follow_ups,
    conversation,
    run_job,
    say,
    thread_of,
)
from tests.bot.rows import begin, branch, job, opening, service

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_language_that_is_set_stays(database: Database) -> None:
    first = await begin(database)
    story = await service(database).set_language(await thread_of(database, first), "ko")
    row = await conversation(database, first)
    assert (story.language, row.language, row.language_fixed) == ("ko", "ko", True)


async def test_the_bot_speaks_a_language_that_discord_has_no_locale_for_where_it_is_set(
    database: Database,
) -> None:
    first = await answered(database, await begin(database, locale="en-US", language="ar"))
    thread = await thread_of(database, first)
    for language, spoken in (("ar", "ar"), ("ko", "en-US")):
        await service(database).set_language(thread, language)
        assert await service(database).locale_in(thread, 1) == spoken
        asked = await say(database, first, "and then?")
        assert asked is not None
        assert (await job(database, asked.job_id)).locale == spoken
        await answered(database, asked)


async def test_a_story_in_a_thread_of_its_own_has_a_title_to_be_chosen_yet(database: Database) -> None:
    own = await begin(database)
    foreign = await begin(database, titled=True, title="Our forum post")
    assert (await conversation(database, own)).titled is False
    assert (await conversation(database, foreign)).titled is True


async def test_a_title_that_a_member_gave_is_known(database: Database) -> None:
    first = await begin(database)
    await service(database).note_title(await thread_of(database, first), "Dragons!")
    row = await conversation(database, first)
    assert (row.title, row.titled) == ("Dragons!", True)


async def test_a_closed_story_takes_no_words_and_no_presses(database: Database) -> None:
    first = await answered(database, await begin(database))
    thread = await thread_of(database, first)
    await service(database).close(thread)
    assert await say(database, first, "hello?") is None
    assert not await service(database).holds(thread)
    for asking in (
        service(database).regenerate(first.answer_id, 1, None),
        service(database).go_on(first.answer_id, 1, None),
        service(database).branch(first.answer_id),
        service(database).undo(thread),
        service(database).set_language(thread, "de"),
        service(database).close(thread),
    ):
        with pytest.raises(StoryClosed):
            await asking


async def test_closing_spares_an_answer_that_waits_but_not_one_being_written(database: Database) -> None:
    first = await begin(database)
    thread = await thread_of(database, first)
    await run_job(database)
    with pytest.raises(StillWriting):
        await service(database).close(thread)
    await answered(database, first)
    waiting = await say(database, first, "and then?")
    assert waiting is not None
    await service(database).close(thread)
    assert (await job(database, waiting.job_id)).status == JobStatus.CANCELLED


async def test_closing_spares_what_would_go_on_with_an_answer_that_is_at_its_follow_ups(
    database: Database,
) -> None:
    first = await begin(database)
    await at_its_follow_ups(database)
    further = await service(database).go_on(first.answer_id, 1, None)
    await service(database).close(await thread_of(database, first))
    assert (await job(database, further.job_id)).status == JobStatus.CANCELLED
    assert not (await job(database, first.job_id)).cancel_requested


async def test_a_closed_story_can_be_opened_again_twice_over(database: Database) -> None:
    first = await answered(database, await begin(database, text="one"), "first")
    await service(database).close(await thread_of(database, first))
    for _ in range(2):
        story = await service(database).reopen(first.conversation_id)
        assert story.thread_id == await thread_of(database, first)
    queued = await say(database, first, "two")
    assert queued is not None
    assert await branch(database, queued.answer_id) == ["one", "first", "two", ""]


async def test_a_closed_story_stays_so_once_another_is_written_in_its_thread(database: Database) -> None:
    first = await answered(database, await begin(database))
    thread = await thread_of(database, first)
    await service(database).close(thread)
    await service(database).begin(opening(), thread_id=thread)
    with pytest.raises(AlreadyAStory):
        await service(database).reopen(first.conversation_id)


async def test_a_story_whose_thread_is_gone_cannot_be_opened_again(database: Database) -> None:
    first = await begin(database)
    await service(database).lose_thread(await thread_of(database, first))
    for conversation_id in (first.conversation_id, 99_999):
        with pytest.raises(NoStoryHere):
            await service(database).reopen(conversation_id)


@pytest.mark.parametrize("lose", ["thread", "guild"])
async def test_a_lost_story_is_there_again_once_somebody_writes_in_its_thread(
    database: Database, lose: str
) -> None:
    first = await answered(database, await begin(database, text="one"), "first")
    await lost(database, first, lose)
    assert not await service(database).holds(await thread_of(database, first))
    assert await service(database).hears(await thread_of(database, first))
    queued = await say(database, first, "two")
    assert queued is not None
    assert await branch(database, queued.answer_id) == ["one", "first", "two", ""]


async def test_a_button_and_a_command_bring_a_lost_story_back_too(database: Database) -> None:
    first = await answered(database, await begin(database))
    thread = await thread_of(database, first)
    await lost(database, first, "guild")
    assert (await service(database).story_in(thread)).conversation_id == first.conversation_id
    await lost(database, first, "thread")
    await service(database).go_on(first.answer_id, 1, None)
    assert await service(database).holds(thread)


async def test_a_story_that_was_closed_when_it_was_lost_comes_back_closed(database: Database) -> None:
    first = await answered(database, await begin(database))
    thread = await thread_of(database, first)
    await service(database).close(thread)
    await lost(database, first, "thread")
    assert not await service(database).hears(thread)
    await service(database).reopen(first.conversation_id)
    assert await service(database).holds(thread)


async def test_a_lost_story_whose_thread_is_anothers_stays_lost(database: Database) -> None:
    first = await answered(database, await begin(database))
    thread = await thread_of(database, first)
    await lost(database, first, "thread")
    await service(database).begin(opening(), thread_id=thread)
    with pytest.raises(NoStoryHere):
        await service(database).go_on(first.answer_id, 1, None)


async def test_a_story_that_could_not_be_begun_or_is_being_removed_does_not_come_back(
    database: Database,
) -> None:
    given_up = await begin(database)
    await service(database).abandon(given_up, "no permission")
    assert not await service(database).hears(await thread_of(database, given_up))
    old = await answered(database, await begin(database))
    async with database.transaction() as session:  # as `retention` begins to remove it
        row = await session.get_one(Conversation, old.conversation_id)
        row.status, row.active_leaf_id = ConversationStatus.LOST, None
    assert not await service(database).hears(await thread_of(database, old))


async def test_a_lost_story_that_its_member_had_deleted_does_not_come_back(database: Database) -> None:
    first = await answered(database, await begin(database, member=1))
    thread = await thread_of(database, first)
    await lost(database, first, "guild")
    async with database.transaction() as session:
        await Erasure(session, Subject.known(1, now()), take_down=False).run()
    assert not await service(database).hears(thread)


async def lost(database: Database, queued: Queued, what: str) -> None:
    """The thread of a request's conversation, or its whole server."""
    if what == "guild":
        await service(database).lose_guild(10)
    else:
        await service(database).lose_thread(await thread_of(database, queued))


async def test_where_no_story_is_written_there_is_nothing_to_steer(database: Database) -> None:
    for asking in (
        service(database).answer_last(424242, 1, None),
        service(database).go_on_last(424242, 1, None),
        service(database).pending_answer(424242),
        service(database).story_in(424242),
    ):
        with pytest.raises(NoStoryHere):
            await asking
    assert await service(database).writers_in(424242) == set()


async def test_a_message_without_an_answer_can_be_answered_and_not_gone_on_with(database: Database) -> None:
    first = await answered(database, await begin(database, text="one"), "first", 901)
    await service(database).delete([901])
    thread = await thread_of(database, first)
    with pytest.raises(NothingToAnswer):
        await service(database).go_on_last(thread, 1, None)
    queued = await service(database).answer_last(thread, 1, None)
    assert await branch(database, queued.answer_id) == ["one", ""]
    with pytest.raises(StillWriting):
        await service(database).answer_last(thread, 1, None)
    assert await service(database).pending_answer(thread) == queued.answer_id


async def test_a_reason_is_kept_with_the_verdict_and_goes_with_it(database: Database) -> None:
    first = await answered(database, await begin(database))
    for reason in (None, "too short", None):
        await service(database).dislike(first.answer_id, 7, reason)
    assert await verdict(database, first.answer_id) == (-1, "too short")
    await service(database).rate(first.answer_id, 7, 1)
    assert await verdict(database, first.answer_id) == (1, None)


async def test_what_is_no_answer_cannot_be_judged(database: Database) -> None:
    with pytest.raises(NotAnAnswer):
        await service(database).dislike(99_999, 7)
    with pytest.raises(NotAnAnswer):
        await service(database).rate(99_999, 7, 1)


async def verdict(database: Database, answer_id: int) -> tuple[int, str | None]:
    async with database.transaction() as session:
        row = (await session.scalars(select(Feedback).where(Feedback.message_id == answer_id))).one()
    return row.rating, row.reason

"""Edits and deletions behind the story's back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.conversations.base import Queued
from bot.database.connection import Database
from bot.database.tables import (
    CanonNote,
    Delivery,
    DeliveryKind,
    JobStatus,
    Message,
    Summary,
)
from tests.bot.conversations.steps import answered, conversation, exchange, post, run_job, say, thread_of
from tests.bot.rows import answer, begin, branch, job, service

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FIRST, SECOND = 901, 902


async def two_exchanges(database: Database) -> tuple[Queued, Queued]:
    first = await begin(database, text="one", source_message_id=801)
    await answered(database, first, "first", FIRST)
    second = await exchange(database, first, "two", "second", said_in=802, shown_by=SECOND)
    return first, second


async def test_an_edit_of_the_last_message_can_be_answered_anew(database: Database) -> None:
    first, second = await two_exchanges(database)
    offer = await service(database).edit(802, "two, but funny")
    assert offer is not None
    assert (offer.answer_id, offer.thread_id) == (second.answer_id, await thread_of(database, first))
    assert await branch(database, second.answer_id) == ["one", "first", "two, but funny", "second"]


async def test_an_edit_of_an_older_message_only_changes_it(database: Database) -> None:
    _, second = await two_exchanges(database)
    assert await service(database).edit(801, "uno") is None
    assert (await branch(database, second.answer_id))[0] == "uno"


async def test_an_edit_that_changes_no_word_is_none(database: Database) -> None:
    await two_exchanges(database)
    assert await service(database).edit(802, "two") is None
    async with database.transaction() as session:
        assert set(await session.scalars(select(Message.edited_at))) == {None}


async def test_an_edit_before_the_answer_has_begun_is_simply_answered(database: Database) -> None:
    first = await begin(database, text="one", source_message_id=801)
    assert await service(database).edit(801, "uno") is None
    assert await branch(database, first.answer_id) == ["uno", ""]


async def test_each_message_of_the_last_burst_can_be_changed(database: Database) -> None:
    first, _ = await two_exchanges(database)
    await say(database, first, "three", message_id=803)
    burst = await say(database, first, "four", message_id=804)
    assert burst is not None
    await answered(database, burst, "both")
    offer = await service(database).edit(803, "III")
    assert offer is not None
    assert offer.answer_id == burst.answer_id


async def test_a_deleted_message_leaves_the_conversation(database: Database) -> None:
    _, second = await two_exchanges(database)
    assert await service(database).delete([801]) == []
    assert await branch(database, second.answer_id) == ["", "first", "two", "second"]
    async with database.transaction() as session:
        row = (await session.scalars(select(Message).where(Message.discord_message_id == 801))).one()
    assert row.deleted_at is not None
    assert await service(database).edit(801, "back again") is None


async def test_an_answer_that_waits_for_nothing_but_deleted_messages_is_spared(database: Database) -> None:
    first, second = await two_exchanges(database)
    waiting = await say(database, first, "three", message_id=803)
    assert waiting is not None
    await say(database, first, "four", message_id=804)
    assert await service(database).delete([803]) == []
    assert (await job(database, waiting.job_id)).status == JobStatus.QUEUED
    assert await service(database).delete([804]) == [waiting.answer_id]
    assert (await job(database, waiting.job_id)).status == JobStatus.CANCELLED
    assert (await conversation(database, first)).active_leaf_id == second.answer_id


async def test_deleting_many_messages_at_once_spares_the_answer_too(database: Database) -> None:
    first, _ = await two_exchanges(database)
    waiting = await say(database, first, "three", message_id=803)
    await say(database, first, "four", message_id=804)
    assert waiting is not None
    assert await service(database).delete([801, 802, 803, 804, 12345]) == [waiting.answer_id]


async def test_an_answer_that_is_being_written_goes_on_without_the_message(database: Database) -> None:
    first, _ = await two_exchanges(database)
    running = await say(database, first, "three", message_id=803)
    assert running is not None
    await run_job(database)
    assert await service(database).delete([803]) == []
    assert (await job(database, running.job_id)).status == JobStatus.RUNNING


async def test_an_answer_written_anew_keeps_its_older_sibling_when_the_message_goes(
    database: Database,
) -> None:
    _, second = await two_exchanges(database)
    again = await service(database).regenerate(second.answer_id, 1, None)
    assert await service(database).delete([802]) == []
    assert (await job(database, again.job_id)).status == JobStatus.QUEUED


async def test_an_answer_that_a_moderator_deletes_leaves_the_conversation(database: Database) -> None:
    first, second = await two_exchanges(database)
    assert await service(database).delete([SECOND]) == [second.answer_id]
    row = await answer(database, second.answer_id)
    assert (row.content, row.deleted_at is None) == ("", False)
    again = await service(database).answer_last(await thread_of(database, first), 1, None)
    assert await branch(database, again.answer_id) == ["one", "first", "two", ""]


async def test_an_older_answer_that_a_moderator_deletes_leaves_the_rest(database: Database) -> None:
    first, second = await two_exchanges(database)
    assert await service(database).delete([FIRST]) == [first.answer_id]
    assert await branch(database, second.answer_id) == ["one", "", "two", "second"]
    assert (await conversation(database, first)).active_leaf_id == second.answer_id


async def test_an_answer_whose_message_goes_while_it_is_written_stays(database: Database) -> None:
    first = await begin(database, text="one")
    await run_job(database)
    async with database.transaction() as session:
        session.add(post(first.answer_id, FIRST))
    assert await service(database).delete([FIRST]) == []
    assert (await answer(database, first.answer_id)).deleted_at is None


async def test_the_note_that_stands_for_what_was_taken_back_may_be_deleted(database: Database) -> None:
    first, second = await two_exchanges(database)
    await service(database).undo(await thread_of(database, first))
    assert await service(database).delete([SECOND]) == []
    assert (await answer(database, second.answer_id)).content == "second"


async def test_a_look_up_whose_embed_is_deleted_is_context_no_more(database: Database) -> None:
    first, _ = await two_exchanges(database)
    async with database.transaction() as session:
        note = CanonNote(
            conversation_id=first.conversation_id,
            message_id=first.answer_id,
            title="Emma",
            language="en",
            extract="A novel.",
            source="wikipedia",
        )
        session.add(note)
        await session.flush()
        session.add(post(first.answer_id, 990, DeliveryKind.CANON, note.id))
    assert await service(database).delete([990]) == []
    async with database.transaction() as session:
        assert (await session.scalars(select(CanonNote))).all() == []
        assert 990 not in (await session.scalars(select(Delivery.discord_message_id))).all()


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_a_summary_that_tells_of_a_changed_message_is_dropped(database: Database, change: str) -> None:
    first, second = await two_exchanges(database)
    async with database.transaction() as session:
        for message_id in (first.answer_id, second.answer_id):
            session.add(Summary(conversation_id=first.conversation_id, message_id=message_id, text="so far"))
    if change == "edit":
        await service(database).edit(802, "two, changed")
    else:
        await service(database).delete([802])
    async with database.transaction() as session:
        left = (await session.scalars(select(Summary.message_id))).all()
    assert left == [first.answer_id]

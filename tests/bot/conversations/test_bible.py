"""The story bible: what may be pinned, how much of it, and what is gone once it is removed."""

from __future__ import annotations

import pytest

from bot.conversations.bible import (
    MAX_BIBLE_TOKENS,
    MAX_PIN_LENGTH,
    MAX_PINS,
    AlreadyPinned,
    BibleFull,
    NothingToPin,
    PinTooLong,
    TooManyPins,
)
from bot.conversations.errors import NoStoryHere, StoryClosed
from bot.conversations.repository import ConversationRepository
from bot.conversations.service import ConversationService
from bot.database.connection import Database
from model.conversation import estimate_tokens
from tests.bot.rows import begin, service

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def a_story(database: Database, member: int = 1) -> tuple[ConversationService, int]:
    queued = await begin(database, member)
    async with database.transaction() as session:
        thread = (await ConversationRepository(session).get(queued.conversation_id)).thread_id
    assert thread is not None
    conversations = service(database)
    await conversations.stop(queued.answer_id)
    return conversations, thread


async def texts(conversations: ConversationService, thread: int) -> list[str]:
    return [pin.text for pin in await conversations.pins(thread)]


async def test_pins_stay_in_order_and_belong_to_one_story(database: Database) -> None:
    conversations, thread = await a_story(database)
    _, other = await a_story(database, 2)
    await conversations.pin(thread, 1, "  Paul is blind.\r\n")
    await conversations.pin(thread, 2, "Chani lives.")
    assert await texts(conversations, thread) == ["Paul is blind.", "Chani lives."]
    assert await texts(conversations, other) == []


async def test_a_pin_that_was_removed_is_gone_and_removing_it_twice_does_nothing(database: Database) -> None:
    conversations, thread = await a_story(database)
    pin = await conversations.pin(thread, 1, "Paul is blind.")
    assert [removed.text for removed in await conversations.unpin(thread, [pin.id])] == ["Paul is blind."]
    assert await conversations.unpin(thread, [pin.id]) == []
    assert await texts(conversations, thread) == []


async def test_pins_of_another_story_cannot_be_removed(database: Database) -> None:
    conversations, thread = await a_story(database)
    _, other = await a_story(database, 2)
    pin = await conversations.pin(other, 2, "Mine.")
    assert await conversations.unpin(thread, [pin.id]) == []
    assert await texts(conversations, other) == ["Mine."]


async def test_what_cannot_be_pinned(database: Database) -> None:
    conversations, thread = await a_story(database)
    await conversations.pin(thread, 1, "Paul is blind.")
    for text, error in (
        (" \n\x00 ", NothingToPin),
        ("x" * (MAX_PIN_LENGTH + 1), PinTooLong),
        ("Paul is blind. ", AlreadyPinned),
    ):
        with pytest.raises(error):
            await conversations.pin(thread, 1, text)
    assert await texts(conversations, thread) == ["Paul is blind."]


async def test_there_is_an_end_to_the_number_of_pins(database: Database) -> None:
    conversations, thread = await a_story(database)
    for number in range(MAX_PINS):
        await conversations.pin(thread, 1, f"Fact {number}.")
    with pytest.raises(TooManyPins):
        await conversations.pin(thread, 1, "One more.")
    assert len(await texts(conversations, thread)) == MAX_PINS


async def test_and_to_the_room_that_they_take(database: Database) -> None:
    conversations, thread = await a_story(database)
    with pytest.raises(BibleFull):
        for number in range(MAX_PINS):
            await conversations.pin(thread, 1, f"{number} " + "ծ" * 500)  # Armenian: two tokens a letter
    pinned = await texts(conversations, thread)
    assert 0 < sum(map(estimate_tokens, pinned)) <= MAX_BIBLE_TOKENS


async def test_without_an_open_story_nothing_is_pinned(database: Database) -> None:
    conversations, thread = await a_story(database)
    with pytest.raises(NoStoryHere):
        await conversations.pin(5, 1, "Paul is blind.")
    await conversations.close(thread)
    with pytest.raises(StoryClosed):
        await conversations.pin(thread, 1, "Paul is blind.")

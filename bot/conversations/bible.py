"""The story bible: facts and passages that members pin to a story, and that every prompt of it tells the model."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.base import ServiceBase
from bot.conversations.memory import MemoryRepository
from bot.database.tables import Pin
from bot.errors import BotError
from bot.moderation.guard import Spot
from bot.text.cleaning import clean
from model.conversation import estimate_tokens

MAX_PINS = 20
"""How many pins a story may have."""
MAX_PIN_LENGTH = 600
"""Characters that one pin may have."""
MAX_BIBLE_TOKENS = 1600
"""Tokens that all pins of a story may have, by `estimate_tokens`: they take room from the story in every prompt."""


class TooManyPins(BotError):
    """The story has as many pins as it may have."""


class BibleFull(BotError):
    """What is pinned has grown so long that this does not fit any more."""


class PinTooLong(BotError):
    """A single pin may not be so long."""


class AlreadyPinned(BotError):
    """This is pinned to the story already."""


class NothingToPin(BotError):
    """There is no text that could be pinned."""


class Bible(ServiceBase):
    """A part of `ConversationService`: pins."""

    async def pin(self, thread_id: int, author_id: int, text: str) -> Pin:
        """Pin a text to the story of a thread.

        Raises:
            NoStoryHere, StoryClosed, TooManyPins, BibleFull, PinTooLong, AlreadyPinned, NothingToPin, InputBlocked,
            ModerationAway: nothing is pinned.
        """
        text = clean(text).strip()
        if not text:
            raise NothingToPin
        if len(text) > MAX_PIN_LENGTH:
            raise PinTooLong
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            await _check_room(session, conversation.id, text)
        await self._guard.admit(text, Spot.of(conversation, author_id))
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            await _check_room(session, conversation.id, text)
            pin = Pin(conversation_id=conversation.id, author_id=author_id, text=text)
            session.add(pin)
            await session.flush()
            return pin

    async def pins(self, thread_id: int) -> list[Pin]:
        """What is pinned to the story of a thread, oldest first.

        Raises:
            NoStoryHere, StoryClosed: there is no story.
        """
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            return await MemoryRepository(session).pins(conversation.id)

    async def unpin(self, thread_id: int, pin_ids: Collection[int]) -> list[Pin]:
        """Remove pins of the story of a thread; those that are gone already are none of what is returned.

        Raises:
            NoStoryHere, StoryClosed: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            removed = [
                pin for pin in await MemoryRepository(session).pins(conversation.id) if pin.id in pin_ids
            ]
            for pin in removed:
                await session.delete(pin)
        return removed


async def _check_room(session: AsyncSession, conversation_id: int, text: str) -> None:
    pins = await MemoryRepository(session).pins(conversation_id)
    if any(pin.text == text for pin in pins):
        raise AlreadyPinned
    if len(pins) >= MAX_PINS:
        raise TooManyPins
    if sum(estimate_tokens(pin.text) for pin in pins) + estimate_tokens(text) > MAX_BIBLE_TOKENS:
        raise BibleFull

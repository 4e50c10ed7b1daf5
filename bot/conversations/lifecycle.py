"""The conversation as a whole: whether a story is written in a thread, in which language, under which title, and when
that ends."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.base import ServiceBase, come_back
from bot.conversations.errors import AlreadyAStory, NoStoryHere, StillWriting
from bot.conversations.locales import locale_there
from bot.conversations.repository import ConversationRepository
from bot.database.tables import Conversation, ConversationStatus, JobStatus, Member, Message, now
from bot.moderation.guard import InputBlocked, Spot
from bot.moderation.service import ModerationAway


@dataclass(frozen=True)
class Story:
    """A story as its commands see it."""

    conversation_id: int
    thread_id: int | None
    language: str
    title: str


@dataclass(frozen=True)
class Place:
    """Where a story is told. A thread in which another story was begun is no longer its place."""

    guild_id: int | None
    thread_id: int | None


class Lifecycle(ServiceBase):
    """A part of `ConversationService`: the conversation as a whole."""

    async def holds(self, thread_id: int) -> bool:
        """Whether a story is written in this thread."""
        async with self._database.reading() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
        return conversation is not None and conversation.status == ConversationStatus.OPEN

    async def hears(self, thread_id: int) -> bool:
        """Whether a story is written in this thread, in which somebody has just written."""
        async with self._database.reading() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
        if conversation is not None and conversation.status == ConversationStatus.LOST:
            async with self._database.transaction() as session:
                conversation = await ConversationRepository(session).by_thread(thread_id, lock=True)
                if conversation is not None:
                    come_back(conversation)
        return conversation is not None and conversation.status == ConversationStatus.OPEN

    async def locale_in(self, thread_id: int, member_id: int) -> str | None:
        """The locale to speak to a member in, in a story's thread: theirs where it is known, else the story's
        language; None where there is no story."""
        async with self._database.reading() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
            member = await session.get(Member, member_id)
            if conversation is None:
                return None
            return locale_there(conversation, member.locale if member else None) or conversation.language

    async def story_in(self, thread_id: int) -> Story:
        """The story that is written in this thread.

        Raises:
            NoStoryHere, StoryClosed: there is none.
        """
        async with self._database.transaction() as session:
            return _story(await self._story_in(session, thread_id))

    async def set_language(self, thread_id: int, language: str) -> Story:
        """From now on the story is written in this language, whatever its messages are in.

        Raises:
            NoStoryHere, StoryClosed: there is no story.
        """
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            conversation.language, conversation.language_fixed = language, True
            return _story(conversation)

    async def note_title(self, thread_id: int, title: str) -> None:
        """The thread is called this now. Where it was called something else, a member or the model chose it. What does
        not pass the guard stays Discord's alone."""
        if self._guard.moderated and not await self._admit_title(thread_id, title):
            return
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id, lock=True)
            if conversation is not None and not same_title(conversation.title, title):
                conversation.title, conversation.titled = title, True

    async def _admit_title(self, thread_id: int, title: str) -> bool:
        async with self._database.reading() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
        if conversation is None or same_title(conversation.title, title):
            return False  # nothing to do
        try:
            await self._guard.admit(title, Spot.of(conversation, None))
        except (InputBlocked, ModerationAway):
            return False
        return True

    async def close(self, thread_id: int) -> Story:
        """Nothing more is answered in this thread until it is opened again; what waits is not written.

        Raises:
            NoStoryHere, StoryClosed, StillWriting: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            pending = await ConversationRepository(session).pending_job(conversation.id)
            if pending is not None and pending.status == JobStatus.RUNNING and not pending.text_posted:
                raise StillWriting
            if pending is not None and pending.status == JobStatus.QUEUED:
                await self._spare(session, pending.answer_id)
            conversation.status, conversation.closed_at = ConversationStatus.CLOSED, now()
            return _story(conversation)

    async def reopen(self, conversation_id: int) -> Story:
        """Answer again in a story that was closed; one that is open stays so.

        Raises:
            AlreadyAStory: another story was begun in its thread. NoStoryHere: the thread is gone.
        """
        async with self._database.transaction() as session:
            conversation = await self._existing(session, conversation_id)
            if conversation.status == ConversationStatus.CLOSED and conversation.thread_id is None:
                raise AlreadyAStory
            if conversation.status not in (ConversationStatus.OPEN, ConversationStatus.CLOSED):
                raise NoStoryHere
            conversation.status, conversation.closed_at = ConversationStatus.OPEN, None
            return _story(conversation)

    async def writers_in(self, thread_id: int) -> set[int]:
        """Who may steer the story of a thread, open or closed: its opener, and all who have written in it."""
        async with self._database.reading() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
            return await _writers(session, conversation)

    async def writers_of_story(self, conversation_id: int) -> set[int]:
        """Who may steer this story."""
        async with self._database.reading() as session:
            return await _writers(session, await session.get(Conversation, conversation_id))

    async def place_of(self, answer_id: int) -> Place | None:
        """Where the story of an answer is told; None where there is no such answer."""
        async with self._database.reading() as session:
            answer = await session.get(Message, answer_id)
            told = None if answer is None else await session.get(Conversation, answer.conversation_id)
            return _place(told)

    async def place_of_story(self, conversation_id: int) -> Place | None:
        """Where a story is told; None where there is none."""
        async with self._database.reading() as session:
            return _place(await session.get(Conversation, conversation_id))

    async def lose_thread(self, thread_id: int) -> None:
        """The thread is gone."""
        async with self._database.transaction() as session:
            await ConversationRepository(session).mark_lost(thread_id)

    async def lose_guild(self, guild_id: int) -> None:
        """The server is gone."""
        async with self._database.transaction() as session:
            await ConversationRepository(session).mark_guild_lost(guild_id)

    @staticmethod
    async def _existing(session: AsyncSession, conversation_id: int) -> Conversation:
        if await session.get(Conversation, conversation_id) is None:
            raise NoStoryHere
        return await ConversationRepository(session).locked(conversation_id)


def _place(conversation: Conversation | None) -> Place | None:
    return Place(conversation.guild_id, conversation.thread_id) if conversation is not None else None


def _story(conversation: Conversation) -> Story:
    return Story(conversation.id, conversation.thread_id, conversation.language, conversation.title)


async def _writers(session: AsyncSession, conversation: Conversation | None) -> set[int]:
    if conversation is None:
        return set()
    return {conversation.opener_id, *await ConversationRepository(session).authors(conversation.id)}


def same_title(one: str, other: str) -> bool:
    """Whether two titles read the same, however Discord has trimmed them."""
    return _read(one) == _read(other)


def _read(title: str) -> str:
    return "".join(char for char in title if unicodedata.category(char) not in ("Cf", "Cc", "Zs"))

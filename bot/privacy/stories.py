"""Deleting what a member wrote in stories: whole ones where nobody else has a word, their part of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import (
    CachedPage,
    CanonNote,
    Conversation,
    Delivery,
    DeliveryKind,
    Message,
    Pin,
    Role,
    Summary,
    Takedown,
    now,
)
from bot.privacy.subject import NOBODY
from bot.words import words_in
from model.wikipedia.client import cache_key


class StoryErasure:
    """The stories of one member, over one transaction. Flushes, never commits."""

    def __init__(
        self, session: AsyncSession, ids: Collection[int], before: datetime, *, take_down: bool
    ) -> None:
        self._session = session
        self._ids = ids
        self._before = before
        self._take_down = take_down
        self.counts: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        """Delete, and return how many things of each kind that were."""
        for conversation_id in await self._touched():
            conversation = await self._session.get_one(Conversation, conversation_id, with_for_update=True)
            if await self._others_have_words(conversation):
                await self._remove_part(conversation)
            else:
                await self._remove_whole(conversation)
        await self._session.flush()
        return self.counts

    async def _touched(self) -> Sequence[int]:
        ids, before = self._ids, self._before
        touched = union(
            select(Conversation.id).where(Conversation.opener_id.in_(ids), Conversation.created_at <= before),
            select(Message.conversation_id).where(Message.author_id.in_(ids), Message.created_at <= before),
            select(Pin.conversation_id).where(Pin.author_id.in_(ids), Pin.created_at <= before),
        )
        return sorted(await self._session.scalars(touched))

    async def _others_have_words(self, conversation: Conversation) -> bool:
        """Whether somebody else wrote or pinned something there, or they themselves did later. Whose message the
        story was begun from has no part in it by that."""
        part: list[ColumnElement[bool]] = []
        if conversation.opener_id in self._ids:
            part.append(or_(Message.parent_id.is_not(None), Message.author_id.in_(self._ids)))
        said = (
            select(Message.id)
            .where(
                Message.conversation_id == conversation.id,
                Message.role == Role.USER,
                func.length(Message.content) > 0,
                *part,
                or_(
                    Message.author_id.is_(None),
                    Message.author_id.not_in(self._ids),
                    Message.created_at > self._before,
                ),
            )
            .limit(1)
        )
        pinned = (
            select(Pin.id)
            .where(
                Pin.conversation_id == conversation.id,
                or_(Pin.author_id.not_in(self._ids), Pin.created_at > self._before),
            )
            .limit(1)
        )
        return any([await self._session.scalar(query) is not None for query in (said, pinned)])

    async def _remove_whole(self, conversation: Conversation) -> None:
        """The story, with what the model wrote in it, what it was summed up to and what was looked up for it."""
        in_it = Message.conversation_id == conversation.id
        roles = list(await self._session.scalars(select(Message.role).where(in_it)))
        self.counts["messages"] += roles.count(Role.USER)
        self.counts["answers"] += roles.count(Role.ASSISTANT)
        self.counts["stories"] += 1
        for kind, table in (("summaries", Summary), ("looked-up pages", CanonNote)):
            where = table.conversation_id == conversation.id
            self.counts[kind] += await self._session.scalar(select(func.count(table.id)).where(where)) or 0
        await self._forget_searches(conversation.id)
        if conversation.thread_id is not None:
            self._sweep(conversation.thread_id)
        else:  # it is another story's by now
            deliveries = select(Delivery).where(Delivery.message_id.in_(select(Message.id).where(in_it)))
            for delivery in await self._session.scalars(deliveries):
                self._take_message_down(delivery.channel_id, delivery.discord_message_id)
        self._take_message_down(conversation.channel_id, conversation.starter_message_id)
        # A chain of a thousand messages is deeper than SQLite follows cascades.
        await self._session.execute(
            update(Message).where(in_it).values(parent_id=None).execution_options(synchronize_session=False)
        )
        await self._session.execute(delete(Conversation).where(Conversation.id == conversation.id))

    async def _forget_searches(self, conversation_id: int) -> None:
        """Cached pages of what was searched for in the story."""
        query = select(Message.lookup_term, Message.lookup_language).where(
            Message.conversation_id == conversation_id, Message.lookup_term.is_not(None)
        )
        keys = {cache_key(str(term), str(language)) for term, language in await self._session.execute(query)}
        if keys:
            removed = await self._session.scalars(
                delete(CachedPage).where(CachedPage.key.in_(keys)).returning(CachedPage.key)
            )
            self.counts["cached pages"] += len(removed.all())

    async def _remove_part(self, conversation: Conversation) -> None:
        """Their words and their name; the places of their messages stay in the tree."""
        theirs = (
            Message.conversation_id == conversation.id,
            Message.author_id.in_(self._ids),
            Message.created_at <= self._before,
        )
        messages = (await self._session.scalars(select(Message).where(*theirs))).all()
        for message in messages:
            message.content, message.deleted_at = "", message.deleted_at or now()
            message.author_id = message.author_name = None
            message.discord_message_id = message.edited_at = None
        self.counts["messages"] += len(messages)
        await self._forget_pages([message.id for message in messages])
        summaries = await self._session.scalars(
            delete(Summary).where(Summary.conversation_id == conversation.id).returning(Summary.id)
        )
        self.counts["summaries"] += len(summaries.all())
        if conversation.export_details is not None:
            conversation.export_details = None
            self.counts["export details"] += 1
        if conversation.thread_id is not None:
            self._sweep(conversation.thread_id)
        if conversation.opener_id in self._ids and conversation.created_at <= self._before:
            self._forget_opener(conversation)
        elif any(message.parent_id is None for message in messages):
            self._forget_title(conversation)
        await self._session.flush()

    async def _forget_pages(self, message_ids: Collection[int]) -> None:
        """What was looked up for their messages."""
        notes = await self._session.scalars(
            delete(CanonNote).where(CanonNote.message_id.in_(message_ids)).returning(CanonNote.id)
        )
        self.counts["looked-up pages"] += len(notes.all())
        await self._session.execute(
            delete(Delivery).where(Delivery.message_id.in_(message_ids), Delivery.kind == DeliveryKind.CANON)
        )

    def _forget_opener(self, conversation: Conversation) -> None:
        """Who began it, with what: its title, and the message that quotes the prompt."""
        conversation.opener_id = NOBODY
        self._forget_title(conversation)
        self._take_message_down(conversation.channel_id, conversation.starter_message_id)
        conversation.starter_message_id = None

    def _forget_title(self, conversation: Conversation) -> None:
        """It is how the first message begins, or what the model made of that."""
        title = words_in(conversation.language).say("A story")
        conversation.title, conversation.titled = title, True
        if self._take_down and conversation.thread_id is not None:
            self._session.add(Takedown(channel_id=conversation.thread_id, new_title=title))
        self.counts["titles"] += 1

    def _sweep(self, thread_id: int) -> None:
        """What no delivery accounts for any more: of a story of several that is what was looked up for their messages,
        and short notices, which may quote them."""
        if self._take_down:
            self._session.add(Takedown(channel_id=thread_id))

    def _take_message_down(self, channel_id: int, discord_message_id: int | None) -> None:
        if self._take_down and discord_message_id is not None:
            self._session.add(Takedown(channel_id=channel_id, discord_message_id=discord_message_id))

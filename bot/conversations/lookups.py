"""Pages that members themselves put into a story's context."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy.ext.asyncio import AsyncSession

from bot.canon import note_of
from bot.conversations.base import ServiceBase
from bot.conversations.errors import NothingToAnswer
from bot.conversations.repository import ConversationRepository
from bot.database.tables import CanonNote, Conversation, Delivery, DeliveryKind, Message, MessageStatus
from bot.errors import BotError
from model.wikipedia import Page


class AlreadyInContext(BotError):
    """The page is in the story's context already."""


class Lookups(ServiceBase):
    """A part of `ConversationService`: what members look up."""

    async def use_page(self, thread_id: int, page: Page, shown_by: int) -> CanonNote:
        """From now on the story of a thread is told what a page says. `shown_by` is the Discord message that shows the
        page: once that is deleted, the page is context no more.

        Raises:
            NoStoryHere, StoryClosed, NothingToAnswer, AlreadyInContext: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            place = await self._place(session, conversation, page)
            note = note_of(page, conversation_id=conversation.id, message_id=place)
            session.add(note)
            await session.flush()
            # As if the bot had posted it for an answer: it is not posted again, and goes with its message.
            session.add(
                Delivery(
                    message_id=place,
                    kind=DeliveryKind.CANON,
                    part=note.id,
                    nonce=secrets.token_hex(12),
                    channel_id=thread_id,
                    discord_message_id=shown_by,
                    text_hash=hashlib.sha256(page.title.encode()).hexdigest(),
                )
            )
            return note

    @staticmethod
    async def _place(session: AsyncSession, conversation: Conversation, page: Page) -> int:
        """The message that the page belongs to: the last one, so that it stands before the next; where an answer waits
        to be begun, the message that it answers, so that it stands before that."""
        repository = ConversationRepository(session)
        path = await repository.branch(conversation.active_leaf_id)
        if path and _is_waiting(path[-1]):
            path = path[:-1]
        if not path:
            raise NothingToAnswer
        notes = await repository.notes(conversation.id)
        for message in path:
            if any(
                (n.title, n.language) == (page.title[:300], page.language) for n in notes.get(message.id, ())
            ):
                raise AlreadyInContext
        return path[-1].id


def _is_waiting(message: Message) -> bool:
    return message.status == MessageStatus.WAITING and not message.content

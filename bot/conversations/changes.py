"""What changes behind the story's back: members edit and delete what they wrote, moderators delete what we wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.base import ServiceBase
from bot.conversations.locales import locale_there
from bot.conversations.repository import ConversationRepository
from bot.conversations.tree import forget_summaries
from bot.database.tables import (
    CanonNote,
    Conversation,
    ConversationStatus,
    Delivery,
    DeliveryKind,
    JobKind,
    JobStatus,
    Message,
    MessageStatus,
    Role,
    now,
)
from bot.moderation.guard import Spot


@dataclass(frozen=True)
class AnsweredBefore:
    """A member changed a message that was answered already, and nothing has followed the answer."""

    thread_id: int
    answer_id: int
    locale: str


class Changes(ServiceBase):
    """A part of `ConversationService`: edits and deletions on Discord."""

    async def knows(self, discord_message_id: int) -> bool:
        """Whether this Discord message is a member's turn in a conversation."""
        async with self._database.transaction() as session:
            return await ConversationRepository(session).knows(discord_message_id)

    async def posted(self, thread_id: int, after: int, before: int) -> set[int]:
        """The Discord messages between two ids that a thread should have by what is known here."""
        async with self._database.reading() as session:
            said = select(Message.discord_message_id).join(
                Conversation, Conversation.id == Message.conversation_id
            )
            said = said.where(Conversation.thread_id == thread_id, Message.deleted_at.is_(None))
            shown = select(Delivery.discord_message_id).where(Delivery.channel_id == thread_id)
            return {
                found
                for query, column in (
                    (said, Message.discord_message_id),
                    (shown, Delivery.discord_message_id),
                )
                for found in await session.scalars(query.where(column > after, column < before))
                if found is not None
            }

    async def edit(self, discord_message_id: int, text: str) -> AnsweredBefore | None:
        """A member changed what they wrote. None where there is nothing to be answered anew: an older message, one
        whose answer has not been begun, one that is not ours.

        Raises:
            InputBlocked, ModerationAway: the story keeps the earlier text.
        """
        await self._admit_edit(discord_message_id, text)
        async with self._database.transaction() as session:
            message = await _member_message(session, discord_message_id)
            if message is None or message.deleted_at is not None or message.content == text:
                return None
            repository = ConversationRepository(session)
            conversation = await repository.locked(message.conversation_id)
            message.content, message.edited_at = text, now()
            await forget_summaries(session, conversation.id, message.id)
            answer = _answer_after(message, await repository.branch(conversation.active_leaf_id))
            if answer is None or conversation.thread_id is None:
                return None
            if conversation.status != ConversationStatus.OPEN or not text.strip():
                return None
            member = await repository.member(message.author_id) if message.author_id else None
            locale = locale_there(conversation, member.locale if member else None) or conversation.language
            return AnsweredBefore(conversation.thread_id, answer.id, locale)

    async def _admit_edit(self, discord_message_id: int, text: str) -> None:
        if not self._guard.moderated:
            return
        async with self._database.transaction() as session:
            message = await _member_message(session, discord_message_id)
            if message is None or message.content == text:
                return
            conversation = await ConversationRepository(session).get(message.conversation_id)
        await self._guard.admit(text, Spot.of(conversation, message.author_id))

    async def delete(self, discord_message_ids: Collection[int]) -> list[int]:
        """Messages were deleted on Discord. A member's leaves the conversation, and an answer that waits to answer
        nothing else is not written; an answer leaves it where any of its messages was deleted; a look-up where its
        embed was. Returns the answers of which nothing is to stay on Discord."""
        withdrawn: list[int] = []
        async with self._database.transaction() as session:
            query = select(Message).where(
                Message.discord_message_id.in_(discord_message_ids), Message.deleted_at.is_(None)
            )
            for message in (await session.scalars(query)).all():
                conversation = await ConversationRepository(session).locked(message.conversation_id)
                await _wipe(session, message)
                withdrawn += await self._spare_answer(session, conversation)
            shown = select(Delivery).where(Delivery.discord_message_id.in_(discord_message_ids))
            deliveries = (await session.scalars(shown)).all()
            for answer_id in sorted({d.message_id for d in deliveries if d.kind == DeliveryKind.TEXT}):
                if await self._withdraw(session, answer_id):
                    withdrawn.append(answer_id)
            await _forget_notes(session, [d for d in deliveries if d.kind == DeliveryKind.CANON])
        return withdrawn

    async def _spare_answer(self, session: AsyncSession, conversation: Conversation) -> list[int]:
        """Take an answer out of the queue that would answer nothing but deleted messages."""
        repository = ConversationRepository(session)
        pending = await repository.pending_job(conversation.id)
        if pending is None or pending.status != JobStatus.QUEUED or pending.kind != JobKind.ANSWER:
            return []
        *above, answer = await repository.branch(pending.answer_id)
        asked: list[Message] = []
        while above and above[-1].role == Role.USER:
            asked.append(above.pop())
        if answer.content or not asked or any(message.deleted_at is None for message in asked):
            return []
        if await repository.siblings(answer) != [answer.id]:
            return []  # its place on Discord holds an older answer to come back to
        await self._spare(session, answer.id)
        answer.deleted_at = now()
        if conversation.active_leaf_id == answer.id:
            conversation.active_leaf_id = above[-1].id if above else None
        return [answer.id]

    @staticmethod
    async def _withdraw(session: AsyncSession, answer_id: int) -> bool:
        """Somebody deleted a message of an answer. One that is being written is posted again instead."""
        answer = await session.get_one(Message, answer_id)
        repository = ConversationRepository(session)
        conversation = await repository.locked(answer.conversation_id)
        pending = await repository.pending_job(conversation.id)
        writing = pending is not None and pending.answer_id == answer_id and not pending.text_posted
        if writing or answer.deleted_at is not None:
            return False
        if answer.taken_back_at is not None:
            return False  # only the note that it was; the text can still be brought back
        await _wipe(session, answer)
        if conversation.active_leaf_id == answer_id:
            conversation.active_leaf_id = answer.parent_id
        return True


async def _member_message(session: AsyncSession, discord_message_id: int) -> Message | None:
    query = select(Message).where(Message.discord_message_id == discord_message_id, Message.role == Role.USER)
    return (await session.scalars(query)).one_or_none()


def _answer_after(message: Message, path: Sequence[Message]) -> Message | None:
    """The begun answer to a message, where it ends the branch and only members' messages stand between."""
    if not path or path[-1].role != Role.ASSISTANT or message.id not in {m.id for m in path}:
        return None
    answer = path[-1]
    after = path[[m.id for m in path].index(message.id) + 1 : -1]
    begun = answer.status != MessageStatus.WAITING or bool(answer.content)
    return answer if begun and all(m.role == Role.USER for m in after) else None


async def _wipe(session: AsyncSession, message: Message) -> None:
    """Nothing of the text stays."""
    message.content, message.deleted_at = "", now()
    message.lookup_term = message.lookup_language = None
    await forget_summaries(session, message.conversation_id, message.id)
    await session.flush()


async def _forget_notes(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
    """What a look-up brought is context no more once its embed is gone; the number of its part is the note's id."""
    if deliveries:
        await session.execute(delete(CanonNote).where(CanonNote.id.in_([d.part for d in deliveries])))
        await session.execute(delete(Delivery).where(Delivery.id.in_([d.id for d in deliveries])))

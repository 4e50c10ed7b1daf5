"""Moving about in a message tree: which answer a Discord message shows, and making another branch the active one.
Over one transaction; flushes, never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.repository import ConversationRepository
from bot.database.tables import (
    Conversation,
    Delivery,
    DeliveryKind,
    Message,
    MessageStatus,
    Role,
    Summary,
)
from model.lookup_tag import parse_reply

_BEGINNING = 300
HAS_TEXT = (MessageStatus.COMPLETE, MessageStatus.STOPPED, MessageStatus.WRITTEN)


@dataclass(frozen=True)
class Branched:
    """From which answer a story goes on. `show_again` are the answers on its branch that had been taken back or stood
    behind a sibling, `restored` the members' Discord messages that had been taken back."""

    answer_id: int
    guild_id: int | None
    thread_id: int | None
    discord_message_id: int | None
    beginning: str
    show_again: tuple[int, ...] = ()
    restored: tuple[int, ...] = ()


def can_go_on(message: Message) -> bool:
    """Whether it is an answer with text that a story can go on from."""
    return (
        message.role == Role.ASSISTANT
        and message.status in HAS_TEXT
        and message.deleted_at is None
        and bool(message.content.strip())
    )


def last_exchange(path: Sequence[Message]) -> list[Message]:
    """The end of a branch: the last answer and the member's messages in front of it, oldest first."""
    start = len(path)
    while start and path[start - 1].role == Role.ASSISTANT:
        start -= 1
    while start and path[start - 1].role == Role.USER:
        start -= 1
    return list(path[start:])


def beginning_of(content: str, language: str) -> str:
    """How an answer's text begins, for people to recognise it by."""
    return parse_reply(content, language).text.strip()[:_BEGINNING]


async def hand_over(session: AsyncSession, old_answer_id: int, new_answer_id: int) -> None:
    """From now on the Discord messages of one answer show another, its sibling."""
    await session.execute(
        update(Delivery)
        .where(Delivery.message_id == old_answer_id, Delivery.kind == DeliveryKind.TEXT)
        .values(message_id=new_answer_id)
    )


async def answer_shown_by(
    session: AsyncSession, conversation: Conversation, discord_message_id: int
) -> Message | None:
    """The answer of this conversation that a Discord message shows, in part or with what it looked up."""
    query = (
        select(Message)
        .join(Delivery, Delivery.message_id == Message.id)
        .where(
            Delivery.discord_message_id == discord_message_id,
            Message.conversation_id == conversation.id,
            Message.role == Role.ASSISTANT,
        )
    )
    return (await session.scalars(query)).one_or_none()


async def go_to(session: AsyncSession, conversation: Conversation, answer: Message) -> Branched:
    """Make an answer the active leaf; the Discord messages of its branch are to show that branch again."""
    repository = ConversationRepository(session)
    path = await repository.branch(answer.id)
    shown = await _shown(session, conversation.id)
    again: list[int] = []
    for message in path:
        if message.role != Role.ASSISTANT:
            continue
        if message.id not in shown:
            holder = next((one for one in await repository.siblings(message) if one in shown), None)
            if holder is not None:
                await hand_over(session, holder, message.id)
            if holder is not None or message.id == answer.id:  # it stands nowhere: it is posted anew
                again.append(message.id)
        elif message.taken_back_at is not None:
            again.append(message.id)
    restored = [m.discord_message_id for m in path if m.role == Role.USER and m.taken_back_at is not None]
    # A sibling of an answer that stands again stands behind it, and is found by paging.
    asked = [m.id for m in path if m.role == Role.USER]
    behind = (Message.role == Role.ASSISTANT) & Message.parent_id.in_(asked)
    await session.execute(
        update(Message)
        .where(Message.conversation_id == conversation.id, Message.id.in_([m.id for m in path]) | behind)
        .values(taken_back_at=None)
    )
    conversation.active_leaf_id = answer.id
    await session.flush()
    return Branched(
        answer.id,
        conversation.guild_id,
        conversation.thread_id,
        await discord_message_of(session, answer.id),
        beginning_of(answer.content, conversation.language),
        tuple(again),
        tuple(found for found in restored if found is not None),
    )


async def _shown(session: AsyncSession, conversation_id: int) -> set[int]:
    query = (
        select(Delivery.message_id)
        .join(Message, Message.id == Delivery.message_id)
        .where(Message.conversation_id == conversation_id, Delivery.kind == DeliveryKind.TEXT)
    )
    return set(await session.scalars(query.distinct()))


async def discord_message_of(session: AsyncSession, answer_id: int) -> int | None:
    """The first Discord message that shows an answer."""
    query = (
        select(Delivery.discord_message_id)
        .where(Delivery.message_id == answer_id, Delivery.kind == DeliveryKind.TEXT)
        .order_by(Delivery.part)
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def forget_summaries(session: AsyncSession, conversation_id: int, message_id: int) -> None:
    """What was summed up at or after a message that has changed: on its branch it may tell what no longer holds."""
    # Not by comparing ids: an answer that took a later message in has a smaller one than what it answers.
    below = select(Message.id).where(Message.id == message_id).cte("below", recursive=True)
    below = below.union_all(select(Message.id).join(below, Message.parent_id == below.c.id))
    await session.execute(
        delete(Summary).where(
            Summary.conversation_id == conversation_id, Summary.message_id.in_(select(below.c.id))
        )
    )

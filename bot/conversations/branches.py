"""Leaving a branch for another: going on from an older answer, and taking the last exchange back."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from bot.conversations.base import ServiceBase, require_open
from bot.conversations.errors import AlreadyHere, NotAnAnswer, NothingToTakeBack, StillWriting
from bot.conversations.repository import ConversationRepository
from bot.conversations.tree import (
    HAS_TEXT,
    Branched,
    beginning_of,
    can_go_on,
    go_to,
    last_exchange,
)
from bot.database.tables import JobStatus, Message, Role, now

# How much of each answer is read for choosing among them.
_EXCERPT = 300


@dataclass(frozen=True)
class AnswerPlace:
    """An answer that a story can go on from: its number in the thread, from 1, and how it begins."""

    answer_id: int
    number: int
    beginning: str
    current: bool


@dataclass(frozen=True)
class TakenBack:
    """The exchange that was taken back: the answers, those among them of which there is nothing to be brought back, the
    members' Discord messages, and how the first of those began."""

    answers: tuple[int, ...]
    empty: tuple[int, ...]
    members: tuple[int, ...]
    beginning: str


class Branches(ServiceBase):
    """A part of `ConversationService`: the active branch."""

    async def branch(self, answer_id: int, thread_id: int | None = None) -> Branched:
        """Go on from an older answer, one of `thread_id` where that is given: it becomes the active leaf. What
        followed it stays in the tree.

        Raises:
            NotAnAnswer, AlreadyHere, StillWriting, StoryClosed, NoStoryHere: nothing changed.
        """
        async with self._database.transaction() as session:
            answer = await session.get(Message, answer_id)
            if answer is None:
                raise NotAnAnswer
            repository = ConversationRepository(session)
            conversation = await repository.locked(answer.conversation_id)
            if thread_id is not None and conversation.thread_id != thread_id:
                raise NotAnAnswer
            require_open(conversation)
            await session.refresh(answer)
            pending = await repository.pending_job(conversation.id)
            if pending is not None and not pending.text_posted:
                raise StillWriting
            if not can_go_on(answer):
                raise NotAnAnswer
            if conversation.active_leaf_id == answer.id:
                raise AlreadyHere
            return await go_to(session, conversation, answer)

    async def undo(self, thread_id: int) -> TakenBack:
        """Take back the last exchange of a thread: its messages leave the active branch, and `branch` brings them
        back. An answer that waits is not written.

        Raises:
            NothingToTakeBack, StillWriting, NoStoryHere, StoryClosed: nothing changed.
        """
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await self._story_in(session, thread_id)
            pending = await repository.pending_job(conversation.id)
            if pending is not None and pending.status == JobStatus.RUNNING and not pending.text_posted:
                raise StillWriting
            path = await repository.branch(conversation.active_leaf_id)
            exchange = last_exchange(path)
            if not exchange:
                raise NothingToTakeBack
            queued = pending is not None and pending.status == JobStatus.QUEUED
            for message in exchange:
                if queued and pending is not None and message.id == pending.answer_id:
                    await self._spare(session, message.id)
                message.taken_back_at = now()
            above = path[: len(path) - len(exchange)]
            conversation.active_leaf_id = above[-1].id if above else None
            said = [m for m in exchange if m.role == Role.USER]
            return TakenBack(
                answers=tuple(m.id for m in exchange if can_go_on(m)),
                empty=tuple(m.id for m in exchange if m.role == Role.ASSISTANT and not can_go_on(m)),
                members=tuple(m.discord_message_id for m in said if m.discord_message_id is not None),
                beginning=said[0].content if said else "",
            )

    async def answers(self, thread_id: int, typed: str = "", limit: int = 25) -> list[AnswerPlace]:
        """The answers that a thread's story can go on from, the newest first: those that begin with or hold what was
        typed, or have it as their number."""
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
            if conversation is None:
                return []
            query = (
                select(Message.id, func.substr(Message.content, 1, _EXCERPT))
                .where(
                    Message.conversation_id == conversation.id,
                    Message.role == Role.ASSISTANT,
                    Message.status.in_(HAS_TEXT),
                    Message.deleted_at.is_(None),
                )
                .order_by(Message.id)
            )
            rows = (await session.execute(query)).all()
            leaf, language = conversation.active_leaf_id, conversation.language
        wanted = typed.strip().lstrip("#").casefold()
        places = [
            AnswerPlace(answer_id, number, beginning_of(content, language), answer_id == leaf)
            for number, (answer_id, content) in enumerate(rows, 1)
        ]
        found = [
            place
            for place in reversed(places)
            if place.beginning and (wanted in place.beginning.casefold() or wanted == str(place.number))
        ]
        return found[:limit]

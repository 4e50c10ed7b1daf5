"""What the parts of `ConversationService` share: the database, the queue's limits, and whom to wake."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.errors import NoStoryHere, NotTheLastAnswer, StillWriting, StoryClosed
from bot.conversations.locales import locale_there
from bot.conversations.repository import ConversationRepository
from bot.conversations.tree import Branched
from bot.database.connection import Database
from bot.database.tables import Conversation, ConversationStatus, Job, JobKind, Message, MessageStatus
from bot.limits.quotas import Quotas
from bot.metrics.events import Events
from bot.moderation.guard import Guard
from bot.queue.repository import JobQueue, Limits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Queued:
    """A request that is now in the queue; with `branched`, the story left its branch for another."""

    conversation_id: int
    answer_id: int
    job_id: int
    branched: Branched | None = None


class ServiceBase:
    """A part of `ConversationService`. Texts from members pass the guard before they become rows."""

    def __init__(
        self,
        database: Database,
        limits: Limits,
        wake: Callable[[], None],
        *,
        guard: Guard | None = None,
        events: Events | None = None,
    ) -> None:
        self._database = database
        self._limits = limits
        self._events = events
        self._wake = wake
        self._guard = guard or Guard(database)

    async def _enqueue(
        self,
        session: AsyncSession,
        conversation: Conversation,
        answer: Message,
        member_id: int,
        locale: str | None,
        kind: JobKind = JobKind.ANSWER,
        *,
        role_ids: tuple[int, ...],
    ) -> Job:
        concurrency = await Quotas(session).admit(conversation.guild_id, member_id, role_ids)
        job = await JobQueue(session, self._limits).add(
            conversation_id=conversation.id,
            answer_id=answer.id,
            member_id=member_id,
            guild_id=conversation.guild_id,
            locale=locale_there(conversation, locale),
            kind=kind,
            member_concurrency=concurrency,
        )
        log.info("queued answer-%s", answer.id)
        return job

    async def _spare(self, session: AsyncSession, answer_id: int) -> None:
        """Take a queued answer out of the queue; it is not written."""
        await JobQueue(session, self._limits, self._events).request_cancel(answer_id)
        (await session.get_one(Message, answer_id)).status = MessageStatus.STOPPED

    @staticmethod
    async def _story_in(session: AsyncSession, thread_id: int) -> Conversation:
        """The open story of a thread, kept from changing.

        Raises:
            NoStoryHere, StoryClosed: there is none.
        """
        conversation = await ConversationRepository(session).by_thread(thread_id, lock=True)
        if conversation is None:
            raise NoStoryHere
        require_open(conversation)
        return conversation

    @staticmethod
    async def _last_answer(session: AsyncSession, answer_id: int) -> tuple[Conversation, Message]:
        """The answer, if it is the last thing in its branch and finished."""
        answer = await session.get(Message, answer_id)
        if answer is None:
            raise NotTheLastAnswer
        repository = ConversationRepository(session)
        conversation = await repository.locked(answer.conversation_id)
        require_open(conversation)
        await session.refresh(answer)
        pending = await repository.pending_job(conversation.id)
        # Where the text is posted and only a look-up is still to follow, what is asked for now runs after that.
        posting = pending is not None and pending.answer_id == answer_id and pending.text_posted
        if pending is not None and not posting:
            raise StillWriting
        if conversation.active_leaf_id != answer_id:
            raise NotTheLastAnswer
        return conversation, answer


def require_open(conversation: Conversation) -> None:
    """Somebody wants something of a story that is held. Raises `StoryClosed`, or `NoStoryHere` where it is gone."""
    come_back(conversation)
    if conversation.status == ConversationStatus.CLOSED:
        raise StoryClosed
    if conversation.status != ConversationStatus.OPEN:
        raise NoStoryHere


def come_back(conversation: Conversation) -> None:
    """Something is done in its thread, so a story that was lost is there after all: the bot was let in again. One whose
    thread is another's by now stays lost, as does one without a last message: it could not be begun, or is removed for
    its age."""
    there = conversation.thread_id is not None and conversation.active_leaf_id is not None
    if conversation.status == ConversationStatus.LOST and there:
        closed = conversation.closed_at is not None
        conversation.status = ConversationStatus.CLOSED if closed else ConversationStatus.OPEN

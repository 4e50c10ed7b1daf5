"""What members can do with answers: stop them, have them written anew or on, page between them, judge them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.base import Queued, ServiceBase, require_open
from bot.conversations.errors import NotAnAnswer, NothingToAnswer, StillWriting
from bot.conversations.repository import ConversationRepository
from bot.conversations.tree import hand_over
from bot.database.tables import Conversation, Job, JobKind, JobStatus, Message, MessageStatus, Role
from bot.queue.repository import JobQueue


class Steering(ServiceBase):
    """A part of `ConversationService`: the answers."""

    async def stop(self, answer_id: int) -> Job | None:
        """Stop an answer, waiting or being written; None where there is nothing to stop."""
        async with self._database.transaction() as session:
            job = await JobQueue(session, self._limits, self._events).request_cancel(answer_id)
            if job is not None and job.status == JobStatus.CANCELLED:
                answer = await session.get_one(Message, answer_id)
                answer.status = MessageStatus.STOPPED
            return job

    async def regenerate(
        self, answer_id: int, member_id: int, locale: str | None, role_ids: tuple[int, ...] = ()
    ) -> Queued:
        """Another answer to the same message; the older one stays as its sibling.

        Raises:
            NotTheLastAnswer, StillWriting, QueueFull, TooManyWaiting, QuotaReached: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation, old = await self._last_answer(session, answer_id)
            queued = await self._answer(session, conversation, old.parent_id, member_id, locale, role_ids)
            await hand_over(session, old.id, queued.answer_id)
        self._wake()
        return queued

    async def answer_last(
        self, thread_id: int, member_id: int, locale: str | None, role_ids: tuple[int, ...] = ()
    ) -> Queued:
        """Another answer to the last message of a thread, or the first where there is none.

        Raises:
            NoStoryHere, StoryClosed, NothingToAnswer, StillWriting, QueueFull, TooManyWaiting, QuotaReached: nothing
                changed.
        """
        leaf = await self._leaf(thread_id)
        if leaf.role == Role.ASSISTANT:
            return await self.regenerate(leaf.id, member_id, locale, role_ids)
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            if await ConversationRepository(session).pending_job(conversation.id) is not None:
                raise StillWriting
            queued = await self._answer(
                session, conversation, conversation.active_leaf_id, member_id, locale, role_ids
            )
        self._wake()
        return queued

    async def go_on_last(
        self, thread_id: int, member_id: int, locale: str | None, role_ids: tuple[int, ...] = ()
    ) -> Queued:
        """Write on where the last answer of a thread stopped.

        Raises:
            NoStoryHere, StoryClosed, NothingToAnswer, StillWriting, QueueFull, TooManyWaiting, QuotaReached: nothing
                changed.
        """
        leaf = await self._leaf(thread_id)
        if leaf.role != Role.ASSISTANT:
            raise NothingToAnswer
        return await self.go_on(leaf.id, member_id, locale, role_ids)

    async def pending_answer(self, thread_id: int) -> int | None:
        """The answer of a thread's story that waits or is being written.

        Raises:
            NoStoryHere, StoryClosed: there is no story.
        """
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            pending = await ConversationRepository(session).pending_job(conversation.id)
            return pending.answer_id if pending is not None and not pending.text_posted else None

    async def _leaf(self, thread_id: int) -> Message:
        async with self._database.transaction() as session:
            conversation = await self._story_in(session, thread_id)
            if conversation.active_leaf_id is None:
                raise NothingToAnswer
            return await session.get_one(Message, conversation.active_leaf_id)

    async def _answer(
        self,
        session: AsyncSession,
        conversation: Conversation,
        parent_id: int | None,
        member_id: int,
        locale: str | None,
        role_ids: tuple[int, ...],
    ) -> Queued:
        repository = ConversationRepository(session)
        await repository.member(member_id, locale)
        answer = await repository.add_answer(conversation, parent_id)
        job = await self._enqueue(session, conversation, answer, member_id, locale, role_ids=role_ids)
        return Queued(conversation.id, answer.id, job.id)

    async def go_on(
        self, answer_id: int, member_id: int, locale: str | None, role_ids: tuple[int, ...] = ()
    ) -> Queued:
        """Write on where the answer stopped; a failed one is tried again from what there is of it.

        Raises:
            NotTheLastAnswer, StillWriting, QueueFull, TooManyWaiting, QuotaReached: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation, answer = await self._last_answer(session, answer_id)
            await ConversationRepository(session).member(member_id, locale)
            kind = (
                JobKind.ANSWER
                if answer.status in (MessageStatus.FAILED, MessageStatus.BLOCKED)
                else JobKind.CONTINUE
            )
            answer.status = MessageStatus.WAITING
            job = await self._enqueue(
                session, conversation, answer, member_id, locale, kind, role_ids=role_ids
            )
            queued = Queued(conversation.id, answer.id, job.id)
        self._wake()
        return queued

    async def turn_page(self, answer_id: int, step: int) -> Message | None:
        """The sibling to show: the one `step` places on, or the one that is active already, which a press on another
        is of use for where it is not seen. None where there is none, or it is still written.

        Raises:
            NotTheLastAnswer, StillWriting: nothing changed.
        """
        async with self._database.transaction() as session:
            active = await self._active_sibling(session, answer_id)
            if active is not None:
                pending = await ConversationRepository(session).pending_job(active.conversation_id)
                return active if pending is None or pending.text_posted else None
            conversation, answer = await self._last_answer(session, answer_id)
            siblings = await ConversationRepository(session).siblings(answer)
            place = siblings.index(answer.id) + step
            if not 0 <= place < len(siblings):
                return None
            other = await session.get_one(Message, siblings[place])
            conversation.active_leaf_id = other.id
            await hand_over(session, answer.id, other.id)
            return other

    @staticmethod
    async def _active_sibling(session: AsyncSession, answer_id: int) -> Message | None:
        """The sibling that is the active leaf: this was the second click of a double one, or Discord did not take what
        the first one was to show."""
        answer = await session.get(Message, answer_id)
        if answer is None:
            return None
        repository = ConversationRepository(session)
        conversation = await repository.locked(answer.conversation_id)
        require_open(conversation)
        leaf = conversation.active_leaf_id
        if leaf is None or leaf == answer_id or leaf not in await repository.siblings(answer):
            return None
        return await session.get_one(Message, leaf)

    async def rate(self, answer_id: int, member_id: int, rating: int) -> int | None:
        """A member's verdict, 1 or -1; given twice it is taken back (None).

        Raises:
            NotAnAnswer: there is no such answer.
        """
        async with self._database.transaction() as session:
            await self._judged(session, answer_id)
            return await ConversationRepository(session).rate(answer_id, member_id, rating)

    async def dislike(self, answer_id: int, member_id: int, reason: str | None = None) -> None:
        """A member's verdict of -1, however often it is given, and why; without a `reason` an earlier one stays.

        Raises:
            NotAnAnswer: there is no such answer.
        """
        async with self._database.transaction() as session:
            await self._judged(session, answer_id)
            await ConversationRepository(session).dislike(answer_id, member_id, reason)

    @staticmethod
    async def _judged(session: AsyncSession, answer_id: int) -> None:
        answer = await session.get(Message, answer_id)
        if answer is None or answer.role != Role.ASSISTANT:
            raise NotAnAnswer

    async def writers_of(self, answer_id: int) -> set[int]:
        """Who may steer an answer: the opener of its conversation, and all who have written in it."""
        async with self._database.reading() as session:
            answer = await session.get(Message, answer_id)
            if answer is None:
                return set()
            repository = ConversationRepository(session)
            conversation = await repository.get(answer.conversation_id)
            return {conversation.opener_id, *await repository.authors(conversation.id)}

"""What members can do with a conversation, each as one transaction that leaves rows for the dispatcher. Knows no
Discord: ids in, rows out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.repository import ConversationRepository, Opening
from bot.database.connection import Database
from bot.database.tables import (
    Conversation,
    ConversationStatus,
    Delivery,
    DeliveryKind,
    Job,
    JobKind,
    JobStatus,
    Message,
    MessageStatus,
    now,
)
from bot.errors import BotError
from bot.queue.repository import JobQueue, Limits

# While a thread is being opened for a new conversation, its job rests; it runs even if the opener dies meanwhile.
OPENING_SECONDS = 10.0


class NotTheLastAnswer(BotError):
    """The conversation has gone on since this answer."""


class AlreadyAStory(BotError):
    """A story hangs on this message, or is written in this thread, already."""


class StillWriting(BotError):
    """An answer is being written in this conversation."""


@dataclass(frozen=True)
class Queued:
    """A request that is now in the queue."""

    conversation_id: int
    answer_id: int
    job_id: int


@dataclass(frozen=True)
class Said:
    """A member's message in a thread."""

    thread_id: int
    message_id: int
    author_id: int
    author_name: str
    text: str
    locale: str | None = None


class ConversationService:
    """Everything that a command, a message or a button asks for."""

    def __init__(self, database: Database, limits: Limits, wake: Callable[[], None]) -> None:
        self._database = database
        self._limits = limits
        self._wake = wake

    async def begin(self, opening: Opening, thread_id: int | None = None) -> Queued:
        """A new conversation and its first request; with `thread_id`, in a thread that is there already.

        Raises:
            QueueFull, TooManyWaiting, AlreadyAStory: nothing was begun.
        """
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            if opening.source_message_id is not None and await repository.knows(opening.source_message_id):
                raise AlreadyAStory
            if thread_id is not None and (earlier := await repository.by_thread(thread_id)) is not None:
                if earlier.status == ConversationStatus.OPEN:
                    raise AlreadyAStory
                earlier.thread_id = None  # it ended; the thread is free for another
                await session.flush()
            conversation, first = await repository.open(opening)
            conversation.thread_id = thread_id
            answer = await repository.add_answer(conversation, first.id)
            job = await self._enqueue(session, conversation, answer, opening.opener_id, opening.locale)
            if thread_id is None:
                job.not_before = now() + timedelta(seconds=OPENING_SECONDS)
            queued = Queued(conversation.id, answer.id, job.id)
        self._wake()
        return queued

    async def set_starter(self, conversation_id: int, starter_message_id: int) -> None:
        """The message that the thread is to hang on."""
        async with self._database.transaction() as session:
            row = await ConversationRepository(session).get(conversation_id)
            row.starter_message_id = starter_message_id

    async def ready(self, queued: Queued) -> None:
        """Its thread is open: the request may be answered."""
        async with self._database.transaction() as session:
            (await session.get_one(Job, queued.job_id)).not_before = None
        self._wake()

    async def abandon(self, queued: Queued, reason: str) -> None:
        """Its thread could not be opened: nothing of it stays in the queue."""
        async with self._database.transaction() as session:
            job = await session.get_one(Job, queued.job_id)
            JobQueue(session, self._limits).end(job, JobStatus.CANCELLED, reason)
            repository = ConversationRepository(session)
            conversation = await repository.get(queued.conversation_id)
            conversation.status = ConversationStatus.LOST
            for message in await repository.branch(conversation.active_leaf_id):
                message.discord_message_id = None  # a story may be begun from it once more

    async def say(self, said: Said) -> Queued | None:
        """A member wrote in a thread. Messages that come before the answer to the last one has begun are answered
        with it; None where this one is known already or the thread is not (or no longer) ours.

        Raises:
            QueueFull, TooManyWaiting: the message is not in the conversation.
        """
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await repository.by_thread(said.thread_id, lock=True)
            if conversation is None or conversation.status != ConversationStatus.OPEN:
                return None
            if await repository.knows(said.message_id):
                return None
            member = await repository.member(said.author_id, said.locale)
            pending = await repository.pending_job(conversation.id)
            joins = pending is not None and pending.status == JobStatus.QUEUED and pending.attempts == 0
            answer = await session.get_one(Message, pending.answer_id) if pending else None
            # Only an answer that is still the first one to its message, and has no text that would be gone on with.
            joins = (
                joins
                and pending is not None
                and pending.kind == JobKind.ANSWER
                and answer is not None
                and answer.status == MessageStatus.WAITING
                and not answer.content
                and await repository.siblings(answer) == [answer.id]
            )
            message = await repository.add_user_message(
                conversation,
                parent_id=answer.parent_id if joins and answer else conversation.active_leaf_id,
                author_id=said.author_id,
                author_name=said.author_name,
                text=said.text,
                discord_message_id=said.message_id,
            )
            if joins and answer is not None and pending is not None:
                answer.parent_id = message.id
                conversation.active_leaf_id = answer.id
                queued = Queued(conversation.id, answer.id, pending.id)
            else:
                answer = await repository.add_answer(conversation, message.id)
                # A message tells no locale; the member's last command or button did.
                locale = said.locale or member.locale
                job = await self._enqueue(session, conversation, answer, said.author_id, locale)
                queued = Queued(conversation.id, answer.id, job.id)
        self._wake()
        return queued

    async def stop(self, answer_id: int) -> Job | None:
        """Stop an answer, waiting or being written; None where there is nothing to stop."""
        async with self._database.transaction() as session:
            job = await JobQueue(session, self._limits).request_cancel(answer_id)
            if job is not None and job.status == JobStatus.CANCELLED:
                answer = await session.get_one(Message, answer_id)
                answer.status = MessageStatus.STOPPED
            return job

    async def regenerate(self, answer_id: int, member_id: int, locale: str | None) -> Queued:
        """Another answer to the same message; the older one stays as its sibling.

        Raises:
            NotTheLastAnswer, StillWriting, QueueFull, TooManyWaiting: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation, old = await self._last_answer(session, answer_id)
            repository = ConversationRepository(session)
            await repository.member(member_id, locale)
            answer = await repository.add_answer(conversation, old.parent_id)
            job = await self._enqueue(session, conversation, answer, member_id, locale)
            await _hand_over(session, old.id, answer.id)
            queued = Queued(conversation.id, answer.id, job.id)
        self._wake()
        return queued

    async def go_on(self, answer_id: int, member_id: int, locale: str | None) -> Queued:
        """Write on where the answer stopped; a failed one is tried again from what there is of it.

        Raises:
            NotTheLastAnswer, StillWriting, QueueFull, TooManyWaiting: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation, answer = await self._last_answer(session, answer_id)
            await ConversationRepository(session).member(member_id, locale)
            kind = JobKind.ANSWER if answer.status == MessageStatus.FAILED else JobKind.CONTINUE
            answer.status = MessageStatus.WAITING
            job = await self._enqueue(session, conversation, answer, member_id, locale, kind)
            queued = Queued(conversation.id, answer.id, job.id)
        self._wake()
        return queued

    async def turn_page(self, answer_id: int, step: int) -> Message | None:
        """Show the sibling `step` places on; None where there is none.

        Raises:
            NotTheLastAnswer, StillWriting: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation, answer = await self._last_answer(session, answer_id)
            repository = ConversationRepository(session)
            siblings = await repository.siblings(answer)
            place = siblings.index(answer.id) + step
            if not 0 <= place < len(siblings):
                return None
            other = await session.get_one(Message, siblings[place])
            conversation.active_leaf_id = other.id
            await _hand_over(session, answer.id, other.id)
            return other

    async def rate(self, answer_id: int, member_id: int, rating: int) -> int | None:
        """A member's verdict, 1 or -1; given twice it is taken back (None)."""
        async with self._database.transaction() as session:
            return await ConversationRepository(session).rate(answer_id, member_id, rating)

    async def holds(self, thread_id: int) -> bool:
        """Whether a story is written in this thread."""
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
        return conversation is not None and conversation.status == ConversationStatus.OPEN

    async def writers_of(self, answer_id: int) -> set[int]:
        """Who may steer an answer: the opener of its conversation, and all who have written in it."""
        async with self._database.transaction() as session:
            answer = await session.get(Message, answer_id)
            if answer is None:
                return set()
            repository = ConversationRepository(session)
            conversation = await repository.get(answer.conversation_id)
            return {conversation.opener_id, *await repository.authors(conversation.id)}

    async def last_seen(self) -> list[tuple[int, int]]:
        """The open threads with the id of the newest message known of each."""
        async with self._database.transaction() as session:
            rows = await ConversationRepository(session).open_threads()
            return [(row.thread_id, row.last_seen_id or row.thread_id) for row in rows if row.thread_id]

    async def note_seen(self, thread_id: int, message_id: int) -> None:
        """A message was refused, and its writer told so: reading up must not find it again."""
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id, lock=True)
            if conversation is not None:
                conversation.last_seen_id = max(conversation.last_seen_id or 0, message_id)

    async def lose_thread(self, thread_id: int) -> None:
        """The thread is gone."""
        async with self._database.transaction() as session:
            await ConversationRepository(session).mark_lost(thread_id)

    async def lose_guild(self, guild_id: int) -> None:
        """The server is gone."""
        async with self._database.transaction() as session:
            await ConversationRepository(session).mark_guild_lost(guild_id)

    async def _enqueue(
        self,
        session: AsyncSession,
        conversation: Conversation,
        answer: Message,
        member_id: int,
        locale: str | None,
        kind: JobKind = JobKind.ANSWER,
    ) -> Job:
        return await JobQueue(session, self._limits).add(
            conversation_id=conversation.id,
            answer_id=answer.id,
            member_id=member_id,
            guild_id=conversation.guild_id,
            locale=locale,
            kind=kind,
        )

    @staticmethod
    async def _last_answer(session: AsyncSession, answer_id: int) -> tuple[Conversation, Message]:
        """The answer, if it is the last thing in its branch and finished."""
        answer = await session.get(Message, answer_id)
        if answer is None:
            raise NotTheLastAnswer
        repository = ConversationRepository(session)
        conversation = await repository.locked(answer.conversation_id)
        await session.refresh(answer)
        pending = await repository.pending_job(conversation.id)
        # Where the text is posted and only a look-up is still to follow, what is asked for now runs after that.
        posting = pending is not None and pending.answer_id == answer_id and pending.text_posted
        if pending is not None and not posting:
            raise StillWriting
        if conversation.active_leaf_id != answer_id:
            raise NotTheLastAnswer
        return conversation, answer


async def _hand_over(session: AsyncSession, old_answer_id: int, new_answer_id: int) -> None:
    """From now on the Discord messages of one answer show another, its sibling."""
    await session.execute(
        update(Delivery)
        .where(Delivery.message_id == old_answer_id, Delivery.kind == DeliveryKind.TEXT)
        .values(message_id=new_answer_id)
    )

"""What is said in a conversation: how it begins, and what members write in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.base import Queued, ServiceBase
from bot.conversations.errors import AlreadyAStory
from bot.conversations.repository import ConversationRepository, Opening
from bot.conversations.tree import Branched, answer_shown_by, can_go_on, go_to
from bot.database.tables import (
    Conversation,
    ConversationStatus,
    Job,
    JobKind,
    JobStatus,
    Message,
    MessageStatus,
    Role,
    now,
)
from bot.errors import QueueFull
from bot.guilds.repository import GuildRepository
from bot.guilds.rules import check_channel, check_rating
from bot.moderation.guard import Spot
from bot.queue.repository import JobQueue

# While a thread is being opened for a new conversation, its job rests; it runs even if the opener dies meanwhile.
OPENING_SECONDS = 10.0


@dataclass(frozen=True)
class Said:
    """A member's message in a thread. `replies_to` is the Discord message that it is a reply to."""

    thread_id: int
    message_id: int
    author_id: int
    author_name: str
    text: str
    locale: str | None = None
    role_ids: tuple[int, ...] = ()
    replies_to: int | None = None


class Turns(ServiceBase):
    """A part of `ConversationService`: members' words."""

    async def begin(
        self, opening: Opening, thread_id: int | None = None, *, announced: bool = True
    ) -> Queued:
        """A new conversation and its first request; with `thread_id`, in a thread that is there already. What has no
        thread, or is not `announced` there, is answered once it is `ready`.

        Raises:
            QueueFull, TooManyWaiting, QuotaReached, AlreadyAStory, ChannelClosed, MatureRefused, InputBlocked,
            ModerationAway: nothing was begun.
        """
        await self._admit_opening(opening)
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            await self._check_place(session, opening)
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
            job = await self._enqueue(
                session, conversation, answer, opening.opener_id, opening.locale, role_ids=opening.role_ids
            )
            if thread_id is None or not announced:
                job.not_before = now() + timedelta(seconds=OPENING_SECONDS)
            queued = Queued(conversation.id, answer.id, job.id)
        self._wake()
        return queued

    async def _admit_opening(self, opening: Opening) -> None:
        """The rules first, then the moderation service, which takes longer."""
        if not self._guard.moderated:
            return
        async with self._database.transaction() as session:
            await self._check_place(session, opening)
        spot = Spot(opening.guild_id, opening.channel_id, opening.writer_id, opening.rating)
        await self._guard.admit(opening.text, spot)

    async def _check_place(self, session: AsyncSession, opening: Opening) -> None:
        settings = await GuildRepository(session).settings(opening.guild_id)
        check_channel(settings, opening.place_ids or (opening.channel_id,))
        check_rating(
            opening.rating, settings, moderated=self._guard.moderated, age_restricted=opening.age_restricted
        )

    async def set_starter(self, conversation_id: int, starter_message_id: int) -> None:
        """The message that the thread is to hang on."""
        async with self._database.transaction() as session:
            row = await ConversationRepository(session).get(conversation_id)
            row.starter_message_id = starter_message_id

    async def ready(self, queued: Queued) -> None:
        """Its thread is open, and the story announced there: the request may be answered."""
        async with self._database.transaction() as session:
            (await session.get_one(Job, queued.job_id)).not_before = None
        self._wake()

    async def abandon(self, queued: Queued, reason: str) -> None:
        """Its thread could not be opened: nothing of it stays in the queue."""
        async with self._database.transaction() as session:
            job = await session.get_one(Job, queued.job_id)
            JobQueue(session, self._limits, self._events).cancel(job, reason)
            repository = ConversationRepository(session)
            conversation = await repository.get(queued.conversation_id)
            conversation.status = ConversationStatus.LOST
            for message in await repository.branch(conversation.active_leaf_id):
                message.discord_message_id = None  # a story may be begun from it once more
            conversation.active_leaf_id = None  # and this one does not come back

    async def expect_room(self, thread_id: int, message_id: int, *, coming: int = 0) -> None:
        """Look whether there is room for the answer to a message, before anything is done for it, and behind so many
        that are `coming` before it. Waits for nobody; `say` looks again. What is known already, or a waiting answer
        would take in, needs none.

        Raises:
            QueueFull: there is none.
        """
        async with self._database.reading() as session:
            if not await JobQueue(session, self._limits).is_full(coming):
                return
            repository = ConversationRepository(session)
            conversation = await repository.by_thread(thread_id)
            if conversation is None or await repository.knows(message_id):
                return
            if await self._joinable(session, conversation) is None:
                raise QueueFull

    async def say(self, said: Said) -> Queued | None:
        """A member wrote in a thread. Messages that come before the answer to the last one has begun are answered
        with it; a reply to an older answer leaves the branch and goes on from there. None where this message is known
        already or the thread is not (or no longer) ours.

        Raises:
            QueueFull, TooManyWaiting, QuotaReached, InputBlocked, ModerationAway: the message is not in the
            conversation.
        """
        if not self._guard.moderated:
            return await self._say(said)
        async with self._guard.in_turn(said.thread_id):
            async with self._database.transaction() as session:
                repository = ConversationRepository(session)
                conversation = await repository.by_thread(said.thread_id)
                if conversation is None or await repository.knows(said.message_id):
                    return None
            await self._guard.admit(said.text, Spot.of(conversation, said.author_id))
            return await self._say(said)

    async def _say(self, said: Said) -> Queued | None:
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await repository.by_thread(said.thread_id, lock=True)
            if conversation is None or conversation.status != ConversationStatus.OPEN:
                return None
            if await repository.knows(said.message_id):
                return None
            member = await repository.member(said.author_id, said.locale)
            branched = await self._branched_by(session, conversation, said.replies_to)
            joined = None if branched else await self._joinable(session, conversation)
            message = await repository.add_user_message(
                conversation,
                parent_id=joined[1].parent_id if joined else conversation.active_leaf_id,
                author_id=said.author_id,
                author_name=said.author_name,
                text=said.text,
                discord_message_id=said.message_id,
            )
            if joined:
                job, answer = joined
                answer.parent_id = message.id
                conversation.active_leaf_id = answer.id
            else:
                answer = await repository.add_answer(conversation, message.id)
                # A message tells no locale; the member's last command or button did.
                locale = said.locale or member.locale or conversation.language
                job = await self._enqueue(
                    session, conversation, answer, said.author_id, locale, role_ids=said.role_ids
                )
            queued = Queued(conversation.id, answer.id, job.id, branched)
        self._wake()
        return queued

    @staticmethod
    async def _joinable(session: AsyncSession, conversation: Conversation) -> tuple[Job, Message] | None:
        """The waiting answer that one more message can be answered with: one of the active branch that is still the
        first to its message, has not been begun, and has no text that would be gone on with."""
        repository = ConversationRepository(session)
        pending = await repository.pending_job(conversation.id)
        if (
            pending is None
            or pending.status != JobStatus.QUEUED
            or pending.attempts != 0
            or pending.kind != JobKind.ANSWER
            or pending.answer_id != conversation.active_leaf_id
        ):
            return None
        answer = await session.get_one(Message, pending.answer_id)
        fresh = answer.status == MessageStatus.WAITING and not answer.content
        return (pending, answer) if fresh and await repository.siblings(answer) == [answer.id] else None

    @staticmethod
    async def _branched_by(
        session: AsyncSession, conversation: Conversation, replies_to: int | None
    ) -> Branched | None:
        """Go to the answer that was replied to, where it is not the one that would be gone on from anyway."""
        target = await answer_shown_by(session, conversation, replies_to) if replies_to is not None else None
        if target is None or not can_go_on(target):
            return None
        path = await ConversationRepository(session).branch(conversation.active_leaf_id)
        if path and path[-1].status == MessageStatus.WAITING and not path[-1].content:
            path.pop()  # not begun yet: more is answered together with it
        last = next((message for message in reversed(path) if message.role == Role.ASSISTANT), None)
        if last is not None and last.id == target.id:
            return None
        return await go_to(session, conversation, target)

    async def last_seen(self) -> list[tuple[int, int]]:
        """The open threads with the id of the message up to which each is known."""
        async with self._database.transaction() as session:
            rows = await ConversationRepository(session).open_threads()
            return [(row.thread_id, row.last_seen_id or row.thread_id) for row in rows if row.thread_id]

    async def note_seen(self, thread_id: int, message_id: int) -> None:
        """Reading up must not find this message again: it was refused, and its writer told so, or has been read."""
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id, lock=True)
            if conversation is not None:
                conversation.last_seen_id = max(conversation.last_seen_id or 0, message_id)

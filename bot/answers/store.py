"""What an answer's writer reads and writes: each method is one transaction of a dispatcher step."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.answers.language_check import Verdict, expected_language
from bot.answers.text_keeper import TextKeeper
from bot.canon import note_of
from bot.conversations.memory import MemoryRepository, Remembered
from bot.conversations.repository import ConversationRepository
from bot.conversations.tree import forget_summaries
from bot.database.connection import Database
from bot.database.patience import STEP_PATIENCE, persisting
from bot.database.tables import (
    CanonNote,
    Conversation,
    Job,
    JobKind,
    JobStatus,
    Message,
    MessageStatus,
    ModerationEvent,
    Summary,
    now,
)
from bot.errors import LeaseLost
from bot.metrics.events import Events, Outcome
from bot.queue.repository import JobQueue, Limits
from bot.queue.shard import ALL, Shard
from model.lookup_tag import Lookup
from model.wikipedia import Page

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """A claimed job with what it is about, detached from the session."""

    job: Job
    conversation: Conversation
    answer: Message
    path: list[Message]
    notes: dict[int, list[CanonNote]]
    remembered: Remembered = field(default_factory=Remembered)


class AnswerStore:
    """The rows behind the answers that this process writes: those of its `shard`."""

    def __init__(
        self,
        database: Database,
        limits: Limits,
        owner: str,
        events: Events | None = None,
        shard: Shard = ALL,
    ) -> None:
        self._database = database
        self._limits = limits
        self._owner = owner
        self._events = events or Events()
        self._shard = shard
        self._texts = TextKeeper(database, self._events)

    @persisting(STEP_PATIENCE)
    async def peek(self, job: Job) -> Work:
        """What the job is about."""
        async with self._database.reading() as session:
            return await self._load(session, job)

    @persisting(STEP_PATIENCE)
    async def load(self, job: Job) -> Work:
        """What the job is about; marks the answer begun, and moves the conversation to the language that its last
        message is in."""
        work = await self.peek(job)
        ended = work.answer.status in (MessageStatus.WRITTEN, MessageStatus.BLOCKED)
        begins = not ended and not job.text_posted
        if begins:
            async with self._database.transaction() as session:
                begun = update(Message).where(Message.id == work.answer.id)
                await session.execute(begun.values(status=MessageStatus.STREAMING))
            work.answer.status = MessageStatus.STREAMING
        expected = expected_language(work.conversation, work.path)
        if begins and expected != work.conversation.language:
            await self._move_language(work.conversation, expected)
        return work

    async def _move_language(self, conversation: Conversation, language: str) -> None:
        """Unless a member fixes the language at the same moment."""
        async with self._database.transaction() as session:
            await session.execute(
                update(Conversation)
                .where(Conversation.id == conversation.id, Conversation.language_fixed.is_(False))
                .values(language=language)
            )
            row = await session.get_one(Conversation, conversation.id)
        conversation.language, conversation.language_fixed = row.language, row.language_fixed

    async def begin_anew(self, work: Work, text: str) -> None:
        """What was written is in the wrong language: the answer goes back to `text`, and that it did is counted.

        Raises:
            LeaseLost: another process writes this answer now.
        """
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            answer = await session.get_one(Message, work.answer.id)
            answer.content = text
            answer.language_retries += 1
        work.answer.content, work.answer.language_retries = text, answer.language_retries
        self._events.wrong_language(kept=False)

    async def _load(self, session: AsyncSession, job: Job) -> Work:
        conversations = ConversationRepository(session)
        conversation = await conversations.get(job.conversation_id)
        path = await conversations.branch(job.answer_id)
        answer = path.pop()
        notes = await conversations.notes(conversation.id)
        remembered = await MemoryRepository(session).of(conversation.id, path)
        return Work(job, conversation, answer, path, notes, remembered)

    @staticmethod
    async def _ours(queue: JobQueue, job: Job) -> Job:
        row = await queue.owned(job)
        if row is None:
            raise LeaseLost
        return row

    async def save_text(self, work: Work, text: str) -> None:
        """Keep what has been said so far, before it is shown.

        Raises:
            LeaseLost: another process writes this answer now.
        """
        await self._texts.keep(work.job, work.answer.id, text)
        work.answer.content = text

    @persisting(STEP_PATIENCE)
    async def save_written(
        self,
        work: Work,
        text: str,
        lookup: Lookup | None,
        *,
        finish_reason: str | None,
        model: str | None,
        fingerprint: str | None,
        verdict: Verdict | None = None,
        status: MessageStatus = MessageStatus.WRITTEN,
    ) -> None:
        """All of the answer is known."""
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            answer = await session.get_one(Message, work.answer.id)
            answer.content, answer.status, answer.finish_reason = text, status, finish_reason
            if work.job.kind == JobKind.CONTINUE:  # a summary may cover what the answer was before
                await forget_summaries(session, work.conversation.id, answer.id)
            answer.model, answer.fingerprint = model, fingerprint
            answer.lookup_term = lookup.term if lookup else None
            answer.lookup_language = lookup.language if lookup else None
            if verdict is not None and (verdict.written or not answer.written_language):
                answer.expected_language, answer.written_language = verdict.expected, verdict.written
        if verdict is not None and verdict.written not in (None, verdict.expected):
            self._events.wrong_language(kept=True)
        work.answer.expected_language = answer.expected_language
        work.answer.written_language = answer.written_language
        work.answer.content, work.answer.status, work.answer.finish_reason = text, status, finish_reason
        work.answer.lookup_term = lookup.term if lookup else None
        work.answer.lookup_language = lookup.language if lookup else None

    @persisting(STEP_PATIENCE)
    async def block(self, work: Work, event: ModerationEvent) -> None:
        """Nothing of the answer stays but that it was blocked."""
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            answer = await session.get_one(Message, work.answer.id)
            answer.content, answer.status, answer.finish_reason = "", MessageStatus.BLOCKED, None
            answer.lookup_term = answer.lookup_language = None
            answer.expected_language = answer.written_language = None
            await forget_summaries(session, work.conversation.id, answer.id)
            session.add(event)
        work.answer.content, work.answer.status, work.answer.finish_reason = "", MessageStatus.BLOCKED, None
        work.answer.lookup_term = work.answer.lookup_language = None

    async def add_note(self, work: Work, message_id: int, page: Page) -> CanonNote:
        """Keep what a look-up brought, under the message that it belongs to; the same page once."""
        for note in work.notes.get(message_id, []):
            if (note.title, note.language) == (page.title, page.language):
                return note
        note = note_of(page, conversation_id=work.conversation.id, message_id=message_id)
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            session.add(note)
        work.notes.setdefault(message_id, []).append(note)
        return note

    @persisting(STEP_PATIENCE)
    async def finish(
        self, work: Work, job_status: JobStatus, answer_status: MessageStatus, error: str | None = None
    ) -> None:
        """The job is over, in one way or another."""
        async with self._database.transaction() as session:
            queue = JobQueue(session, self._limits)
            queue.end(await self._ours(queue, work.job), job_status, error)
            answer = await session.get_one(Message, work.answer.id)
            if answer.status != MessageStatus.WAITING:  # a member has asked for more of it already
                answer.status = answer_status
        work.answer.status = answer_status
        outcome = _outcome(job_status, answer_status)
        self._events.ended(outcome, (now() - work.job.created_at).total_seconds())
        log.info("answer-%s ended: %s", work.answer.id, f"{outcome}, {error}" if error else outcome)

    @persisting(STEP_PATIENCE)
    async def put_back(self, job: Job, *, after: float, fault: bool, away: bool = False) -> bool:
        """Queue the job again; False where it was put back too often, or in vain for too long, and is still ours to
        fail."""
        async with self._database.transaction() as session:
            queue = JobQueue(session, self._limits)
            there = queue.put_back(await self._ours(queue, job), after=after, fault=fault, away=away)
        if there:
            self._events.put_back("away" if away else "fault" if fault else "handed_back")
        return there

    @persisting(STEP_PATIENCE)
    async def note_posted(self, work: Work) -> None:
        """The answer's text stands in the thread, whole; only a look-up may still have to follow."""
        async with self._database.transaction() as session:
            job = await self._ours(JobQueue(session, self._limits), work.job)
            job.text_posted = True
        work.job.text_posted = True

    async def somebody_waits(self) -> bool:
        """Whether an answer is queued that could be begun now if there were a slot, or if its member or conversation
        were not busy."""
        query = select(
            exists().where(
                Job.status == JobStatus.QUEUED, or_(Job.not_before.is_(None), Job.not_before <= now())
            )
        )
        async with self._database.reading() as session:
            return bool(await session.scalar(query))

    async def keep_summary(
        self, work: Work, covered: Sequence[Message], text: str, model: str
    ) -> Summary | None:
        """Keep what a stretch of the conversation was summed up to; None where a message of it has changed since."""
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            return await MemoryRepository(session).add_summary(work.conversation.id, covered, text, model)

    async def take_back(self, *, dead_owners: bool, ours: Mapping[int, str], lease: timedelta) -> list[Job]:
        """Queue again what stalled; returns what had stalled too often, and has failed. What this process is writing
        (`ours`: job id → its `lease_owner`) is held on to first: it has not stalled where only the process stood still
        for longer than a lease, unless another has taken it meanwhile."""
        async with self._database.transaction() as session:
            queue = JobQueue(session, self._limits, self._events)
            await queue.hold(ours, lease)
            return await queue.take_back(dead_owners=dead_owners)

    async def claim(self, lease: timedelta) -> Job | None:
        """The next job, now ours."""
        async with self._database.transaction() as session:
            job = await JobQueue(session, self._limits).claim(self._owner, lease, self._shard)
        if job is not None and job.attempts == 1 and job.started_at is not None:
            self._events.claimed((job.started_at - job.created_at).total_seconds())
        return job


def _outcome(job_status: JobStatus, answer_status: MessageStatus) -> Outcome:
    if job_status == JobStatus.CANCELLED:
        return "cancelled"
    if job_status == JobStatus.FAILED:
        return "failed"
    if answer_status == MessageStatus.BLOCKED:
        return "blocked"
    return "stopped" if answer_status == MessageStatus.STOPPED else "complete"

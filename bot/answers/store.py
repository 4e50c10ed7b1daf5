"""What an answer's writer reads and writes: each method is one transaction of a dispatcher step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import (
    CanonNote,
    Conversation,
    Job,
    JobStatus,
    Message,
    MessageStatus,
)
from bot.errors import LeaseLost
from bot.queue.repository import JobQueue, Limits
from model.lookup_tag import Lookup
from model.wikipedia import Page


@dataclass(frozen=True)
class Work:
    """A claimed job with what it is about, detached from the session."""

    job: Job
    conversation: Conversation
    answer: Message
    path: list[Message]
    notes: dict[int, list[CanonNote]]


class AnswerStore:
    """The rows behind the answers that this process writes."""

    def __init__(self, database: Database, limits: Limits, owner: str) -> None:
        self._database = database
        self._limits = limits
        self._owner = owner

    async def peek(self, job: Job) -> Work:
        """What the job is about."""
        async with self._database.transaction() as session:
            return await self._load(session, job)

    async def load(self, job: Job) -> Work:
        """What the job is about; marks the answer begun."""
        async with self._database.transaction() as session:
            work = await self._load(session, job)
            if work.answer.status != MessageStatus.WRITTEN and not job.text_posted:
                work.answer.status = MessageStatus.STREAMING
            return work

    async def _load(self, session: AsyncSession, job: Job) -> Work:
        conversations = ConversationRepository(session)
        conversation = await conversations.get(job.conversation_id)
        path = await conversations.branch(job.answer_id)
        answer = path.pop()
        return Work(job, conversation, answer, path, await conversations.notes(conversation.id))

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
        async with self._database.transaction() as session:
            job = await self._ours(JobQueue(session, self._limits), work.job)
            job.away_since = None
            answer = await session.get_one(Message, work.answer.id)
            answer.content = text
        work.answer.content = text

    async def save_written(
        self,
        work: Work,
        text: str,
        lookup: Lookup | None,
        *,
        finish_reason: str | None,
        model: str | None,
        fingerprint: str | None,
        status: MessageStatus = MessageStatus.WRITTEN,
    ) -> None:
        """All of the answer is known."""
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            answer = await session.get_one(Message, work.answer.id)
            answer.content, answer.status, answer.finish_reason = text, status, finish_reason
            answer.model, answer.fingerprint = model, fingerprint
            answer.lookup_term = lookup.term if lookup else None
            answer.lookup_language = lookup.language if lookup else None
        work.answer.content, work.answer.status, work.answer.finish_reason = text, status, finish_reason
        work.answer.lookup_term = lookup.term if lookup else None
        work.answer.lookup_language = lookup.language if lookup else None

    async def add_note(self, work: Work, message_id: int, page: Page) -> CanonNote:
        """Keep what a look-up brought, under the message that it belongs to; the same page once."""
        for note in work.notes.get(message_id, []):
            if (note.title, note.language) == (page.title, page.language):
                return note
        note = CanonNote(
            conversation_id=work.conversation.id,
            message_id=message_id,
            title=page.title[:300],
            language=page.language,
            extract=page.extract,
            url=page.url,
            revision=page.revision,
            thumbnail_url=page.thumbnail_url,
            source=page.source,
        )
        async with self._database.transaction() as session:
            await self._ours(JobQueue(session, self._limits), work.job)
            session.add(note)
        work.notes.setdefault(message_id, []).append(note)
        return note

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

    async def put_back(self, job: Job, *, after: float, fault: bool, away: bool = False) -> bool:
        """Queue the job again; False where it was put back too often, or in vain for too long, and is still ours to
        fail."""
        async with self._database.transaction() as session:
            queue = JobQueue(session, self._limits)
            return queue.put_back(await self._ours(queue, job), after=after, fault=fault, away=away)

    async def note_posted(self, work: Work) -> None:
        """The answer's text stands in the thread, whole; only a look-up may still have to follow."""
        async with self._database.transaction() as session:
            job = await self._ours(JobQueue(session, self._limits), work.job)
            job.text_posted = True
        work.job.text_posted = True

    async def claim(self, lease: timedelta) -> Job | None:
        """The next job, now ours."""
        async with self._database.transaction() as session:
            return await JobQueue(session, self._limits).claim(self._owner, lease)

"""Keeps the texts of growing answers, as many as wait at a time in one transaction: with a hundred answers it is the
transactions that take time, not what is in them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.patience import STEP_PATIENCE, persist
from bot.database.tables import Job, Message, now
from bot.database.turns import Urgency, urgency
from bot.errors import LeaseLost
from bot.metrics.events import Events
from bot.queue.repository import JobQueue


@dataclass(frozen=True)
class _Text:
    """What an answer has come to, and who waits for it to be kept."""

    job: Job
    answer_id: int
    content: str
    kept: asyncio.Future[None]
    came_at: datetime

    @property
    def first(self) -> bool:
        """Whether it is the first of its answer that is not empty."""
        return self.job.first_text_at is None and bool(self.content)


class TextKeeper:
    """One for a process."""

    def __init__(self, database: Database, events: Events | None = None) -> None:
        self._database = database
        self._events = events or Events()
        self._waiting: dict[Urgency, list[_Text]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, job: Job, answer_id: int, content: str) -> None:
        """Return when the text is kept.

        Raises:
            LeaseLost: another process writes this answer now.
        """
        text = _Text(job, answer_id, content, asyncio.get_running_loop().create_future(), now())
        waiting = self._waiting.setdefault(urgency(), [])
        waiting.append(text)
        if len(waiting) == 1:
            # A task of its own, so that who is cancelled takes nobody's text with it.
            task = asyncio.create_task(self._keep_all(urgency()), name="keep-texts")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await text.kept

    async def _keep_all(self, among: Urgency) -> None:
        """Keep what waits when the turn comes."""
        texts: list[_Text] = []
        lost: list[_Text] = []

        async def step() -> None:
            async with self._database.transaction() as session:
                texts.extend(self._waiting.pop(among, []))
                lost.clear()
                for text in texts:
                    # One that nobody waits for any more may be older than what the row has by then.
                    if not text.kept.cancelled() and not await self._keep(session, text):
                        lost.append(text)

        try:
            await persist(step, STEP_PATIENCE)
        except BaseException as error:
            for text in texts or self._waiting.pop(among, []):
                if not text.kept.done():
                    text.kept.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for text in texts:
            if text.kept.done():
                continue
            if text in lost:
                text.kept.set_exception(LeaseLost())
            else:
                self._note(text)
                text.kept.set_result(None)

    async def _keep(self, session: AsyncSession, text: _Text) -> bool:
        kept = await session.execute(
            update(Message)
            .where(Message.id == text.answer_id, JobQueue.held(text.job).exists())
            .values(content=text.content)
            .returning(Message.id)
            .execution_options(synchronize_session=False)
        )
        if kept.one_or_none() is None:
            return False
        if text.first or text.job.away_since is not None:
            first_text_at = text.came_at if text.first else text.job.first_text_at
            values = {"away_since": None, "first_text_at": first_text_at}
            await session.execute(update(Job).where(Job.id == text.job.id).values(values))
        return True

    def _note(self, text: _Text) -> None:
        """The job as the row has it by now."""
        if text.first:
            text.job.first_text_at = text.came_at
            self._events.first_text((text.came_at - text.job.created_at).total_seconds())
        text.job.away_since = None

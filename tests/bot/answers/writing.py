"""Answers written without Discord: the real store, writer and worker server, on a recording stage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from bot.answers.generation import Generator
from bot.answers.presenter import Pace
from bot.answers.rules import AnswerRules
from bot.answers.stage import RecordingScene, RecordingStage
from bot.answers.store import AnswerStore
from bot.answers.writer import FollowUp, Writer
from bot.canon import Canon
from bot.conversations.repository import ConversationRepository
from bot.conversations.service import ConversationService
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import Conversation, Message
from bot.moderation.guard import Guard
from bot.moderation.service import ModerationService
from bot.text.pacing import Budget
from bot.worker_client import OpenAIWorker, Worker, open_client
from model.server.worker import ServedModel
from model.wikipedia import BundledNotes
from tests.bot.rows import LIMITS, answer, begin, service
from tests.model.worker.conftest import listening

_message_ids = count(50_000_000)


@dataclass
class Desk:
    """Somebody writes, and the bot answers at once."""

    database: Database
    conversations: ConversationService
    store: AnswerStore
    writer: Writer
    stage: RecordingStage
    worker: Worker
    thread: int = 0

    async def begin(self, text: str, **changes: object) -> Message:
        """A new conversation with its first answer."""
        queued = await begin(self.database, text=text, **changes)
        async with self.database.transaction() as session:
            row = await session.get_one(Conversation, queued.conversation_id)
        assert row.thread_id is not None
        self.thread = row.thread_id
        return await self.work()

    async def say(self, text: str, member: int = 1) -> Message:
        """A member's message and the answer to it."""
        await self.conversations.say(Said(self.thread, next(_message_ids), member, f"member {member}", text))
        return await self.work()

    async def work(self) -> Message:
        """Write the next answer of the queue, to the end of its job."""
        job = await self.store.claim(timedelta(seconds=60))
        assert job is not None, "nothing is queued"
        await self.writer.write(job, asyncio.Event())
        return await answer(self.database, job.answer_id)

    async def conversation(self) -> Conversation:
        """Its row as it is now."""
        async with self.database.transaction() as session:
            found = await ConversationRepository(session).by_thread(self.thread)
        assert found is not None
        return found

    def scene(self, answer: Message) -> RecordingScene:
        """What was shown of an answer."""
        return self.stage.scenes[answer.id]


@asynccontextmanager
async def desk(
    database: Database,
    models: Sequence[ServedModel],
    *,
    follow_ups: Sequence[FollowUp] = (),
    max_tokens: int = 400,
    moderation: ModerationService | None = None,
) -> AsyncIterator[Desk]:
    """A desk over a worker server with these models."""
    async with listening(models) as running, open_client(f"{running.url}/v1", None) as client:
        worker = OpenAIWorker(client)
        store = AnswerStore(database, LIMITS, "desk")
        stage = RecordingStage()
        pace = Pace(Budget(floor=0.02))
        guard = Guard(database, moderation)
        generator = Generator(worker, store, pace, guard, max_tokens=max_tokens)
        rules = AnswerRules(database, store, guard)
        writer = Writer(store, generator, Canon(BundledNotes()), stage, pace, rules, follow_ups)
        yield Desk(database, service(database), store, writer, stage, worker)

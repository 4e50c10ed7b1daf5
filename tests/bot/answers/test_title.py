"""The title of a thread, written by the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bot.answers.stage import RecordingStage
from bot.answers.store import AnswerStore, Work
from bot.answers.title import Entitler, question
from bot.database.connection import Database
from bot.database.tables import Conversation, Message, MessageStatus
from bot.moderation.guard import Guard
from bot.worker_client import OpenAIWorker, open_client
from model.engine.fake import FakeEngine
from tests.bot.rows import LIMITS, begin
from tests.model.worker.conftest import fake_model, listening

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Titles:
    """An entitler, and the first answer of a new thread."""

    def __init__(self, database: Database, entitler: Entitler, stage: RecordingStage) -> None:
        self.database = database
        self.entitler = entitler
        self.stage = stage

    async def first_answer(self, text: str = "There was a dragon.", **changes: object) -> Work:
        await begin(self.database, text="a dragon, please", **changes)
        store = AnswerStore(self.database, LIMITS, "me")
        job = await store.claim(timedelta(seconds=60))
        assert job is not None
        work = await store.load(job)
        work.answer.content, work.answer.status = text, MessageStatus.WRITTEN
        return work

    async def entitle(self, work: Work, *, stopped: bool = False) -> Conversation:
        stop = asyncio.Event()
        if stopped:
            stop.set()
        await self.entitler.after(work, stop)
        async with self.database.transaction() as session:
            return await session.get_one(Conversation, work.conversation.id)


@asynccontextmanager
async def titles(database: Database, *replies: str) -> AsyncIterator[Titles]:
    engine = FakeEngine(replies=replies)
    async with listening([fake_model(engine)]) as running, open_client(f"{running.url}/v1", None) as client:
        stage = RecordingStage()
        yield Titles(database, Entitler(database, OpenAIWorker(client), stage, Guard(database)), stage)


async def test_the_first_answer_brings_a_title(database: Database) -> None:
    async with titles(database, "**The Dragon's Lament**") as desk:
        work = await desk.first_answer()
        row = await desk.entitle(work)
        assert (row.title, row.titled) == ("The Dragon's Lament", True)
        assert desk.stage.titles == {row.id: "The Dragon's Lament"}


async def test_the_model_is_shown_how_the_story_begins_and_told_the_language(database: Database) -> None:
    async with titles(database) as desk:
        asked = question(await desk.first_answer(language="ko"))
        assert "a dragon, please" in asked
        assert "There was a dragon." in asked
        assert "Korean (한국어)" in asked


async def test_a_title_that_somebody_gave_meanwhile_stays(database: Database) -> None:
    async with titles(database, "The Dragon's Lament") as desk:
        work = await desk.first_answer()
        desk.stage.titles[work.conversation.id] = "Ada's dragon"
        row = await desk.entitle(work)
        assert (row.title, row.titled) == ("Ada's dragon", True)


async def test_a_thread_with_a_title_of_its_own_is_left_alone(database: Database) -> None:
    async with titles(database, "The Dragon's Lament") as desk:
        row = await desk.entitle(await desk.first_answer(titled=True, title="Our forum post"))
        assert row.title == "Our forum post"
        assert desk.stage.titles == {}


@pytest.mark.parametrize("answer", ["", "a" * 200, "?!", "Der Gesang des alten Drachen von Norden"])
async def test_the_thread_keeps_its_first_title_where_the_model_has_no_good_one(
    database: Database, answer: str
) -> None:
    async with titles(database, answer) as desk:
        row = await desk.entitle(await desk.first_answer())
        assert (row.title, row.titled) == ("a dragon, please", False)
        assert desk.stage.titles == {}


async def test_a_stopped_an_empty_and_a_second_answer_bring_no_title(database: Database) -> None:
    async with titles(database, "The Dragon's Lament") as desk:
        work = await desk.first_answer()
        await desk.entitle(work, stopped=True)
        work.answer.content = " "
        await desk.entitle(work)
        work.answer.content = "Second."
        work.path.append(Message(role="assistant", content="First."))
        await desk.entitle(work)
        assert desk.stage.titles == {}


async def test_a_worker_that_is_away_costs_no_more_than_the_title(database: Database) -> None:
    async with open_client("http://127.0.0.1:9/v1", None) as client:
        stage = RecordingStage()
        desk = Titles(database, Entitler(database, OpenAIWorker(client), stage, Guard(database)), stage)
        assert not (await desk.entitle(await desk.first_answer())).titled

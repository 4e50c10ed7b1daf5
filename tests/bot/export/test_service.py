"""Exports over real rows and a real worker server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.conversations.errors import NoStoryHere
from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import Conversation, Message, MessageStatus
from bot.export.details import MADE_WITH_AI
from bot.export.errors import NothingToExport
from bot.export.files import Format
from bot.export.service import Export, Exports, Selection
from bot.moderation.categories import Category
from bot.moderation.guard import Guard, InputBlocked
from bot.moderation.service import Passage
from bot.worker_client import OpenAIWorker, open_client
from model.engine.fake import FakeEngine
from tests.bot.rows import begin
from tests.model.worker.conftest import fake_model, listening

FILLED = """\
Title: The Tea of the Dragon
Rating: General Audiences
Characters: Smaug
Additional tags: Fluff, Tea
Summary: A dragon called Smaug learns how to make tea for its guests."""
STORY = "Smaug the dragon made tea."


class Flagging:
    """A moderation service that flags the texts that it is told to."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def judge(self, passage: Passage) -> frozenset[Category]:
        return frozenset({Category.HATE} if self._word in passage.text else ())


@asynccontextmanager
async def exports(
    database: Database, engine: FakeEngine, guard: Guard | None = None
) -> AsyncIterator[Exports]:
    async with listening([fake_model(engine)]) as running, open_client(f"{running.url}/v1", None) as client:
        yield Exports(database, OpenAIWorker(client), guard or Guard(database))


async def story(database: Database, *answers: str, **changes: Any) -> Selection:
    """A story with these answers, one after another."""
    queued = await begin(database, text="a dragon, please")
    async with database.transaction() as session:
        conversation = await session.get_one(Conversation, queued.conversation_id)
        for name, value in changes.items():
            setattr(conversation, name, value)
        repository = ConversationRepository(session)
        answer = await session.get_one(Message, queued.answer_id)
        for text in answers:
            if answer.content:
                answer = await repository.add_answer(conversation, answer.id)
            answer.content, answer.status = text, MessageStatus.COMPLETE
        assert conversation.thread_id is not None
        return Selection(conversation.thread_id)


async def say(database: Database, selection: Selection, text: str) -> None:
    """The story goes on with one more answer."""
    async with database.transaction() as session:
        repository = ConversationRepository(session)
        conversation = await repository.by_thread(selection.thread_id)
        assert conversation is not None
        answer = await repository.add_answer(conversation, conversation.active_leaf_id)
        answer.content, answer.status = text, MessageStatus.COMPLETE


async def title_and_summary(export: Export) -> tuple[str, str]:
    details = export.manuscript.details
    return details.title, details.summary


async def test_the_model_fills_the_details_in_and_is_asked_once_for_a_text(database: Database) -> None:
    engine = FakeEngine(replies=[FILLED])
    selection = await story(database, STORY)
    async with exports(database, engine) as service:
        export = await service.make(selection, Format.MARKDOWN)
        details = export.manuscript.details
        assert details.title == "The Tea of the Dragon"
        assert details.rating == "General Audiences"
        assert details.characters == ("Smaug",)
        assert details.tags == ("Fluff", "Tea", MADE_WITH_AI)
        assert b"learns how to make tea" in export.files[0].content
        again = await service.make(selection, Format.EPUB)
        assert again.manuscript.details == details
    assert len(engine.requests) == 1
    assert STORY in engine.requests[0].messages[-1][1]


async def test_what_members_changed_stays_and_the_rest_is_filled_in_anew_when_the_story_has_gone_on(
    database: Database,
) -> None:
    engine = FakeEngine(replies=[FILLED, FILLED.replace("Tea of", "Coffee of").replace("learns", "teaches")])
    selection = await story(database, STORY)
    async with exports(database, engine) as service:
        await service.make(selection, Format.MARKDOWN)
        await service.edit(
            selection, {"title": "My Dragon", "summary": "", "warnings": ["Major Character Death"]}, 1
        )
        await say(database, selection, "And then coffee, said Smaug.")
        details = (await service.make(selection, Format.MARKDOWN)).manuscript.details
    assert details.title == "My Dragon"
    assert details.summary == ""
    assert details.warnings == ("Major Character Death",)
    assert details.characters == ("Smaug",)
    assert len(engine.requests) == 2


async def test_the_title_of_the_thread_is_the_storys_where_it_was_chosen(database: Database) -> None:
    selection = await story(database, STORY, title="Chosen", titled=True)
    async with exports(database, FakeEngine(replies=[FILLED])) as service:
        assert (await service.make(selection, Format.JSON)).manuscript.details.title == "Chosen"


@pytest.mark.parametrize("reply", ["", "I cannot.", "!!! ### ???"])
async def test_a_model_that_says_nothing_useful_leaves_plain_details(database: Database, reply: str) -> None:
    selection = await story(database, STORY)
    async with exports(database, FakeEngine(replies=[reply])) as service:
        details = (await service.make(selection, Format.MARKDOWN)).manuscript.details
    assert (details.title, details.summary, details.rating) == (
        "a dragon, please",
        STORY,
        "Teen And Up Audiences",
    )


async def test_a_worker_that_is_away_holds_no_export_up(database: Database, unused_tcp_port: int) -> None:
    selection = await story(database, STORY)
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}/v1", None) as client:
        service = Exports(database, OpenAIWorker(client), Guard(database))
        export = await service.make(selection, Format.AO3)
    assert len(export.files) == 2


async def test_the_branch_that_was_chosen_is_exported(database: Database) -> None:
    selection = await story(database, "One.", "Two.", "Three.")
    async with exports(database, FakeEngine()) as service:
        whole = await service.make(selection, Format.MARKDOWN)
        assert [p.text for p in whole.manuscript.passages] == ["One.", "Two.", "Three."]
        async with database.transaction() as session:
            path = await ConversationRepository(session).branch(whole.answer_id)
        until = Selection(selection.thread_id, path[-2].id)
        shorter = await service.make(until, Format.MARKDOWN)
        assert [p.text for p in shorter.manuscript.passages] == ["One.", "Two."]


async def test_a_branch_is_not_told_under_the_title_of_another(database: Database) -> None:
    selection = await story(database, "One.", STORY)
    async with exports(database, FakeEngine(replies=[FILLED, "I cannot."])) as service:
        whole = await service.make(selection, Format.JSON)
        async with database.transaction() as session:
            path = await ConversationRepository(session).branch(whole.answer_id)
        until = Selection(selection.thread_id, path[-2].id)
        assert (await service.details(selection)).title == "The Tea of the Dragon"
        assert (await service.details(until)).title == "a dragon, please"
        await service.edit(until, {"tags": ["Short"]}, 1)
        details = (await service.make(until, Format.JSON)).manuscript.details
    assert (details.title, details.characters, details.summary) == ("a dragon, please", (), "One.")
    assert details.tags == ("Short",)


async def test_where_the_model_cannot_be_asked_a_branch_goes_without_what_it_said_of_another(
    database: Database, unused_tcp_port: int
) -> None:
    selection = await story(database, STORY)
    async with exports(database, FakeEngine(replies=[FILLED])) as service:
        await service.make(selection, Format.JSON)
    await say(database, selection, "And then coffee.")
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}/v1", None) as client:
        export = await Exports(database, OpenAIWorker(client), Guard(database)).make(selection, Format.JSON)
    assert export.manuscript.details.title == "a dragon, please"


async def test_an_answer_of_another_story_is_not_to_be_had(database: Database) -> None:
    mine, other = await story(database, "Mine."), await story(database, "Secret.")
    async with exports(database, FakeEngine()) as service:
        secret = (await service.make(other, Format.MARKDOWN)).answer_id
        with pytest.raises(NothingToExport):
            await service.make(Selection(mine.thread_id, secret), Format.MARKDOWN)


async def test_where_there_is_no_story_or_no_text_there_is_no_export(database: Database) -> None:
    empty = await story(database)
    async with exports(database, FakeEngine()) as service:
        with pytest.raises(NoStoryHere):
            await service.make(Selection(12345), Format.MARKDOWN)
        with pytest.raises(NothingToExport):
            await service.make(empty, Format.MARKDOWN)


async def test_details_are_moderated_whoever_wrote_them(database: Database) -> None:
    selection = await story(database, STORY)
    guard = Guard(database, Flagging("Smaug learns"))
    async with exports(database, FakeEngine(replies=[FILLED]), guard) as service:
        assert (await title_and_summary(await service.make(selection, Format.MARKDOWN)))[1] == STORY
        with pytest.raises(InputBlocked):
            await service.edit(selection, {"summary": "How Smaug learns."}, 1)
        assert (await service.details(selection)).summary == STORY

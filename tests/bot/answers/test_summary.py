"""The rolling summary: long threads go on, the prompt stays within the window, and nothing stale is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import select

from bot.answers.summary import _MOST_TOKENS, _TASK, Summariser, fault_of
from bot.conversations.memory import MemoryRepository
from bot.conversations.repository import ConversationRepository
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import Job, JobStatus, Message, MessageStatus, Pin, Summary
from bot.moderation.guard import Guard
from bot.worker_client import Generation, Piece, Worker
from model.conversation import Rating, system_prompt
from model.engine.codec import PromptCodec
from model.engine.fake import FakeEngine, Messages
from model.languages import LANGUAGES
from model.lookup_tag import parse_reply
from model.serving import served_models
from model.summarising import summary_request
from tests.bot.answers.writing import Desk, desk
from tests.model.shipped_chats import shipped_chats
from tests.model.worker.conftest import fake_model

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

WINDOW, RESERVE = 2400, 300
GERMAN = (
    "Der Drache trank Tee, und die Ritter kamen wieder, wie jeden Abend seit dem Winter im alten Schloss. "
)
ENGLISH = "The dragon drank tea, and the knights came again, as they had every evening since the winter. "
ANSWER = GERMAN * 5
SUMMARY = GERMAN + "Dann schlossen sie Frieden."
LONG_SUMMARY = " ".join(
    f"Am {day}. Tag des Winters kam {guest} mit {gift} in das alte Schloss, und der Drache trank Tee mit ihm."
    for day, guest, gift in (
        (3, "der Müller", "einem Sack Mehl"), (7, "die Königin", "ihrem Hund"), (12, "ein Dieb", "leeren Händen"),
        (20, "der Ritter Kunibert", "dem zerbrochenen Schwert"), (24, "ein Kind", "einer Laterne"),
    )
)  # fmt: skip
FIRST = "Erstens kam der Drache in das Schloss, und die Ritter brachten ihm an jedem Abend frischen Tee."
SECOND = "Zweitens ging der Drache auf Reisen, und die Ritter warteten lange am Tor auf seine Rückkehr."


def asks_for_a_summary(messages: Messages) -> bool:
    return "Sum up the conversation above" in messages[-1][1]


class Script:
    """Answers with ANSWER, and with what is left of `summaries`, the last one for ever."""

    def __init__(self, *summaries: str) -> None:
        self.summaries = list(summaries)
        self.asked: list[str] = []
        self.when_asked: Callable[[], None] | None = None
        """Called before a summary's first token is written."""

    def __call__(self, messages: Messages) -> str:
        if not asks_for_a_summary(messages):
            return ANSWER
        self.asked.append(messages[-1][1])
        if self.when_asked is not None:
            self.when_asked()
        return self.summaries.pop(0) if len(self.summaries) > 1 else self.summaries[0]


@asynccontextmanager
async def at_work(
    database: Database, *summaries: str, tokens_per_second: float | None = None
) -> AsyncIterator[tuple[Desk, Script, FakeEngine]]:
    script = Script(*(summaries or (SUMMARY,)))
    engine = FakeEngine(replies=script, tokens_per_second=tokens_per_second)
    async with desk(database, [fake_model(engine, context_length=WINDOW)], max_tokens=RESERVE) as at:
        at.writer._follow_ups = (Summariser(at.worker, at.store, Guard(database), max_answer_tokens=RESERVE),)
        yield at, script, engine


async def summaries_of(database: Database) -> list[Summary]:
    async with database.transaction() as session:
        return list(await session.scalars(select(Summary).order_by(Summary.id)))


async def talk(at: Desk, turns: int) -> Message:
    answer = await at.begin("Schreib mir eine lange Geschichte von einem Drachen (Nummer 0)", language="de")
    for number in range(1, turns):
        answer = await at.say(f"Und wie geht es dann weiter mit dem Drachen? (Nummer {number})")
    return answer


@on_sqlite
async def test_a_short_thread_is_not_summed_up(database: Database) -> None:
    async with at_work(database) as (at, script, _):
        await talk(at, 3)
    assert script.asked == []


@on_sqlite
async def test_a_long_thread_goes_on_with_a_summary_and_within_the_window(database: Database) -> None:
    async with at_work(database) as (at, script, engine):
        last = await talk(at, 24)
        assert last.status == MessageStatus.COMPLETE
        assert len(script.asked) >= 2
        for request in engine.requests:
            assert len(request.prompt_ids) + request.max_tokens <= WINDOW
    answers = [request.messages for request in engine.requests if not asks_for_a_summary(request.messages)]
    assert "Earlier in this conversation (de)\nDer Drache trank Tee" in answers[-1][1][1]
    assert all("(Nummer 0)" not in content for _, content in answers[-1])
    assert "(Nummer 23)" in answers[-1][-1][1]
    told = [sum(f"(Nummer {n})" in content for n in range(24) for _, content in each) for each in answers]
    assert min(told[6:]) >= 2, "the newest turns are always told word for word"


@on_sqlite
async def test_a_later_summary_is_made_of_the_earlier_one_and_what_came_since(database: Database) -> None:
    async with at_work(database, FIRST, SECOND) as (at, script, _):
        await talk(at, 16)
    first, second, *_ = await summaries_of(database)
    assert (first.text, second.text) == (FIRST, SECOND)
    assert second.message_id > first.message_id
    assert FIRST in script.asked[1]
    assert "(Nummer 0)" in script.asked[0]
    assert "(Nummer 0)" not in script.asked[1]
    assert first.model == "fake"


@on_sqlite
async def test_a_branch_has_the_summary_of_its_own_path_only(database: Database) -> None:
    async with at_work(database) as (at, _, _engine):
        await talk(at, 9)
        [summary, *_] = await summaries_of(database)
        async with database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(at.thread)
            assert conversation is not None
            path = await ConversationRepository(session).branch(conversation.active_leaf_id)
            places = [message.id for message in path]
            covered = places.index(summary.message_id)
            memory = MemoryRepository(session)
            for leaf, expected in (
                (len(path), True),
                (covered + 2, True),
                (covered + 1, False),
                (covered, False),
            ):
                found = (await memory.of(conversation.id, path[:leaf])).summary
                assert (found is not None) is expected, leaf


@on_sqlite
async def test_an_edit_of_what_is_covered_drops_the_summary_and_it_is_made_anew(database: Database) -> None:
    async with at_work(database, FIRST, SECOND) as (at, script, _):
        await talk(at, 8)
        assert [row.text for row in await summaries_of(database)] == [FIRST]
        async with database.transaction() as session:
            first = (await session.scalars(select(Message).order_by(Message.id).limit(1))).one()
            first.discord_message_id = 7
        await at.conversations.edit(7, "Schreib mir eine Geschichte von einer Nixe")
        assert await summaries_of(database) == []
        await at.say("Und dann?")
        assert [row.text for row in await summaries_of(database)] == [SECOND]
        assert "einer Nixe" in script.asked[-1]


@on_sqlite
async def test_a_deletion_while_it_is_made_leaves_no_summary(database: Database) -> None:
    kept: list[Summary | None] = []
    async with at_work(database) as (at, script, _engine):
        answer = await talk(at, 3)
        async with database.transaction() as session:
            first = (await session.scalars(select(Message).order_by(Message.id).limit(1))).one()
            first.discord_message_id = 7
        keep = at.store.keep_summary

        async def delete_meanwhile(*arguments: Any) -> Summary | None:
            await at.conversations.delete([7])
            kept.append(await keep(*arguments))
            return kept[-1]

        at.store.keep_summary = delete_meanwhile  # type: ignore[method-assign]
        while len(kept) < 2:
            answer = await at.say("Und wie geht es dann weiter mit dem Drachen?")
    assert answer.status == MessageStatus.COMPLETE
    assert kept[0] is None, "what was summed up was not there any more"
    assert kept[1] is not None
    assert ["(Nummer 0)" in asked for asked in script.asked] == [True, False]


@on_sqlite
async def test_an_answer_that_took_a_later_message_in_loses_its_summary_with_it(database: Database) -> None:
    async with at_work(database) as (at, _, _engine):
        answer = await at.begin("Schreib mir etwas", language="de")
        async with database.transaction() as session:
            late = Message(
                conversation_id=answer.conversation_id,
                parent_id=answer.parent_id,
                role="user",
                content="und mehr",
            )
            late.discord_message_id = 9
            session.add(late)
            await session.flush()
            (await session.get_one(Message, answer.id)).parent_id = late.id
            session.add(Summary(conversation_id=answer.conversation_id, message_id=answer.id, text="Alt."))
        assert answer.id < late.id
        await at.conversations.delete([9])
    assert await summaries_of(database) == []


@on_sqlite
async def test_a_summary_in_the_wrong_language_is_asked_for_once_more(database: Database) -> None:
    async with at_work(database, ENGLISH * 2, SUMMARY) as (at, script, _):
        await talk(at, 8)
    assert "Write the summary in German (Deutsch)" in script.asked[1]
    assert "Write the summary in German (Deutsch)" not in script.asked[0]
    assert [row.text for row in await summaries_of(database)] == [SUMMARY]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("You are welcome to write it here.", "is no summary"),
        (ENGLISH, "is in en instead of de"),
        (GERMAN * 12, "goes round in circles"),
        (SUMMARY, None),
        (FIRST + " " + SECOND, None),
        (f"{FIRST} {SECOND} {SUMMARY}", None),
    ],
)
def test_what_a_small_model_writes_instead_of_a_summary_stands_for_nothing(
    text: str, fault: str | None
) -> None:
    assert fault_of(text, "de") == fault


def test_good_prose_in_any_of_the_forty_languages_may_be_a_summary() -> None:
    prose = [
        (parse_reply(chat["messages"][1]["content"], chat["language"]).text[:900], chat["language"])
        for chat in shipped_chats()
    ]
    assert [fault for text, code in prose if (fault := fault_of(text, code))] == []


@pytest.mark.parametrize("again", [False, True])
def test_the_prompt_of_a_summary_takes_no_more_than_is_kept_for_it(again: bool) -> None:
    from model.llama_tokenizer import llama_tokenizer

    codec = PromptCodec("llama3", llama_tokenizer())
    ratings: tuple[Rating, ...] = get_args(Rating)
    taken = {}
    for language in LANGUAGES.values():
        text = summary_request([], language, previous="-", words=_MOST_TOKENS // 2, again=again)
        for rating in ratings:
            messages = (("system", system_prompt(language, rating)), ("user", text))
            taken[language.code, rating] = len(codec.encode_chat(messages))
    assert max(taken.values()) <= _TASK


@on_sqlite
async def test_without_a_good_summary_the_thread_goes_on_all_the_same(database: Database) -> None:
    async with at_work(database, ENGLISH * 3) as (at, script, engine):
        last = await talk(at, 14)
        assert last.content == ANSWER.strip()
    assert await summaries_of(database) == []
    assert 2 <= len(script.asked) <= 8, "it is not asked for behind every answer"
    assert all(len(request.prompt_ids) + request.max_tokens <= WINDOW for request in engine.requests)


@on_sqlite
async def test_a_broken_worker_costs_the_summary_and_not_the_answer(database: Database) -> None:
    async with at_work(database, "!fail") as (at, script, _):
        at.writer._follow_ups[0]._worker = _Away()  # type: ignore[attr-defined]
        last = await talk(at, 10)
        assert last.status == MessageStatus.COMPLETE
    assert script.asked == []


class _Away:
    async def describe(self) -> None:
        raise ConnectionError("away")


@on_sqlite
async def test_it_gives_way_to_whoever_waits_for_the_next_answer(database: Database) -> None:
    async with at_work(database, LONG_SUMMARY) as (at, script, engine):
        await at.begin("Schreib mir eine lange Geschichte von einem Drachen", language="de")
        script.when_asked = lambda: setattr(engine, "tokens_per_second", 5)
        while not script.asked:
            writing = asyncio.create_task(at.say("Und wie geht es dann weiter mit dem Drachen?"))
            while not writing.done() and not script.asked:
                await asyncio.sleep(0.01)
            if not script.asked:
                await writing
        assert not writing.done()
        async with database.transaction() as session:
            running = (await session.scalars(select(Job).where(Job.status == JobStatus.RUNNING))).one()
            assert running.text_posted, "the answer stands in the thread already"
        await at.conversations.regenerate(running.answer_id, 1, "de")
        async with asyncio.timeout(5):
            await writing
    assert await summaries_of(database) == []


@on_sqlite
async def test_a_kill_while_it_is_made_costs_nothing(database: Database) -> None:
    async with at_work(database, LONG_SUMMARY) as (at, script, engine):
        await at.begin("Schreib mir eine lange Geschichte von einem Drachen", language="de")
        script.when_asked = lambda: setattr(engine, "tokens_per_second", 5)
        while not script.asked:
            await at.conversations.say(
                Said(at.thread, 1000 + len(engine.requests), 1, "member 1", "Und wie geht es dann weiter?")
            )
            job = await at.store.claim(timedelta(seconds=60))
            assert job is not None
            writing = asyncio.create_task(at.writer.write(job, asyncio.Event()))
            while not writing.done() and not script.asked:
                await asyncio.sleep(0.005)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert await summaries_of(database) == []
        script.when_asked = None
        engine.tokens_per_second = None
        answers = sum(not asks_for_a_summary(request.messages) for request in engine.requests)
        answer = await at.work()
        assert answer.status == MessageStatus.COMPLETE
        assert sum(not asks_for_a_summary(request.messages) for request in engine.requests) == answers
    assert len(await summaries_of(database)) == 1


@on_sqlite
async def test_pins_and_summary_are_both_told(database: Database) -> None:
    async with at_work(database) as (at, _, engine):
        answer = await at.begin("Schreib mir eine Geschichte von einem Drachen", language="de")
        async with database.transaction() as session:
            session.add(
                Pin(conversation_id=answer.conversation_id, author_id=1, text="Der Drache heißt Otto.")
            )
        for _ in range(8):
            await at.say("Und wie geht es dann weiter mit dem Drachen?")
    first = engine.requests[-1].messages[1][1]
    assert first.index("- Der Drache heißt Otto.") < first.index("Earlier in this conversation (de)")


@on_sqlite
async def test_on_a_real_model_a_long_thread_keeps_answering(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights write nonsense, but with Llama's tokenizer, the real engine and a window that runs out."""
    monkeypatch.setattr("bot.answers.summary._MOST_TOKENS", 40)
    from tests.model.worker.models import loaded

    models = served_models(loaded("llama3-tiny"))
    window = models[0].context_length
    async with desk(database, models, max_tokens=24) as at:
        at.writer._follow_ups = (Summariser(at.worker, at.store, Guard(database), max_answer_tokens=24),)
        at.writer._generator._worker = counting = _Counting(at.worker)  # type: ignore[assignment]
        answer = await at.begin("Tell me about the dragon and the knights in the old castle.")
        for number in range(7):
            question = f"{number}: " + "And what did the dragon say to the knights then? " * 30
            answer = await at.say(question)
            assert answer.status == MessageStatus.COMPLETE
    assert max(counting.lengths) + 24 <= window
    assert max(counting.lengths) > window // 2, "the window is put to use"
    assert counting.lengths[-1] < sum(counting.lengths[:3]), "older turns have gone"


class _Counting:
    """A worker that notes how long the prompts are that it is asked for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.describe = worker.describe
        self.count_tokens = worker.count_tokens
        self.lengths: list[int] = []

    async def write(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        self.lengths.append(await self._worker.count_tokens(generation.messages))
        async with aclosing(self._worker.write(generation)) as stream:
            async for piece in stream:
                yield piece

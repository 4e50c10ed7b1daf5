"""One id from Discord to the worker, in every line of the log: the whole bot on a simulated Discord."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bot.database.connection import Database
from bot.request_ids import RequestIdFilter
from model.engine.fake import FakeEngine
from model.log_format import JsonFormatter
from tests.bot.world import open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Log:
    """The lines that bot and worker (in the same process here) write as JSON."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(JsonFormatter())
        self.handler.addFilter(RequestIdFilter())

    def lines(self, text: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in found if text in str(line["message"]) or text == line.get("id")]


@pytest.fixture
def log() -> Iterator[Log]:
    log, root = Log(), logging.getLogger()
    before = root.level
    root.addHandler(log.handler)
    root.setLevel(logging.INFO)
    yield log
    root.removeHandler(log.handler)
    root.setLevel(before)


async def test_what_a_member_asks_can_be_followed_to_the_worker(database: Database, log: Log) -> None:
    engine = FakeEngine(replies=["One.", "Two.", "A title"])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon")
        await world.answered(thread)
        (queued,) = log.lines("queued answer-2")
        assert queued["request"].startswith("interaction-")
        (ended,) = log.lines("answer-2 ended: complete")
        assert ended["request"] == "answer-2-1"
        (worker,) = [line for line in log.lines("answer-2-1") if line["logger"] == "model.server"]
        assert (worker["path"], worker["status"]) == ("/v1/chat/completions", 200)
        sent = await world.members[0].send(world.handle(thread), "and then?")
        await world.answered(thread, 2)
        (queued,) = log.lines("queued answer-4")
        assert queued["request"] == f"message-{sent.id}"
        assert log.lines("answer-4-1")


async def test_what_is_asked_beside_an_answer_bears_its_id(database: Database, log: Log) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "A title"]), thread_titles=True) as world:
        thread = await world.start_story("a dragon")
        await world.answered(thread)
        assert log.lines("answer-2-1-title")


async def test_a_press_is_followed_too(database: Database, log: Log) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "Two."])) as world:
        thread = await world.start_story("a dragon")
        (answer,) = await world.answered(thread)
        await world.press(answer, "🔄" if "🔄" in answer.buttons else "Again")
        await world.until(lambda: world.texts(thread) == ["Two."])
        (queued,) = log.lines("queued answer-3")
        assert queued["request"].startswith("interaction-")


def test_lines_for_people_name_the_request_where_there_is_one(database_url: str) -> None:
    from bot import request_ids
    from model.log_format import set_up_logging

    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "hello", (), None)
    RequestIdFilter().filter(record)
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()
    try:
        set_up_logging("INFO", "text")
        formatter = root.handlers[0].formatter
        assert formatter is not None
        assert formatter.format(record).endswith("INFO bot hello")
        request_ids.begin("answer-1-1")
        RequestIdFilter().filter(record)
        assert formatter.format(record).endswith("INFO bot [answer-1-1] hello")
        bare = logging.LogRecord("other", logging.INFO, __file__, 1, "hello", (), None)
        assert formatter.format(bare).endswith("INFO other hello")
    finally:
        request_ids._current.set(None)
        root.handlers[:] = handlers

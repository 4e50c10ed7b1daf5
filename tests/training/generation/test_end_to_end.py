"""The pipeline on our own worker: the real server with an engine that speaks from a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.catalogue import load_properties
from model.engine.fake import FakeEngine, Messages
from model.preset import SamplingDefaults
from model.server.app import build_app
from model.server.worker import ServedModel, Worker
from tests.training.generation.conftest import Command
from tests.training.generation.stub import reply_to, serving
from training.chats import read_chats


def from_the_shipped_chats(messages: Messages) -> str:
    """What a good model without JSON would say."""
    return reply_to({"messages": [{"role": role, "content": content} for role, content in messages]})


@contextmanager
def worker(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our worker with this engine, and the settings that lead to it."""
    served = ServedModel(
        name="fake",
        engine=engine,
        codec=engine.codec,
        preset="fake",
        context_length=32_000,
        sampling=SamplingDefaults(),
        root="fake",
    )
    holder = Worker()
    app = build_app(holder)

    async def ready(app: object) -> None:
        await holder.open([served])

    app.on_startup.append(ready)
    with serving(app) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield


def test_two_languages_and_three_works_from_our_own_worker(
    generate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(replies=from_the_shipped_chats)
    options = ("--languages", "fi,sv", "--works", "3", "--chats", "1", "--no-wikipedia", "--model", "fake")
    with worker(engine, monkeypatch):
        assert generate(*options, checks=True) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["this_run"]["reply_form"] == "text"
    assert report["chats"] == 6
    assert report["total"]["calls"] == len(engine.requests)
    chats = read_chats(tmp_path / "out" / "chats" / "sv.jsonl")
    assert [chat.property for chat in chats] == [work.english_name for work in load_properties("sv")[:3]]
    # The script says shipped texts, some of them several times; nothing else is wrong with the rows.
    findings = (tmp_path / "out" / "validation" / "findings.jsonl").read_text().splitlines()
    found = {finding["check"] for row in map(json.loads, findings) for finding in row["findings"]}
    assert found <= {"length", "duplicate", "loop"}


def test_a_model_that_talks_nonsense_leaves_rows_that_were_dropped_and_why(
    generate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(replies=lambda messages: "Why, he could meet her at the bridge.")
    options = ("--languages", "fi", "--works", "3", "--chats", "1", "--salvage", "1", "--model", "fake")
    with worker(engine, monkeypatch):
        assert generate(*options, "--no-wikipedia") == 0
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert len(dropped) == 3
    assert all(each["reason"] for each in dropped)
    assert read_chats(tmp_path / "out" / "chats" / "fi.jsonl") == []


def test_a_busy_worker_is_waited_for(
    generate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers at a time and no queue: the worker's 503s make the generator ask less."""
    engine = FakeEngine(replies=from_the_shipped_chats, slots=2, queue_limit=0, tokens_per_second=6000)
    options = ("--languages", "fi", "--works", "1", "--chats", "3", "--no-wikipedia", "--model", "fake")
    with worker(engine, monkeypatch):
        assert generate(*options) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["chats"] + report["dropped"] == 3
    assert report["this_run"]["retried"] > 0
    assert report["this_run"]["window"] < 8

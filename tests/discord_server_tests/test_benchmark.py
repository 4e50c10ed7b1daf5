"""The bench of a hundred threads, with a few: that it runs, and what it makes of its records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.discord import llmcord
from tests.benchmarks.discord.__main__ import main
from tests.benchmarks.discord.measured import answers, most_in_a_second, unchanged_edits
from tests.benchmarks.discord.stories import answer_text


@pytest.mark.long
def test_a_few_threads_are_written_in_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "discord.json"
    main(["--threads", "3", "--tokens", "60", "--ramp", "0.5", "--json", str(file)])
    found = json.loads(file.read_text(encoding="utf-8"))
    met = {verdict["target"]: verdict["met"] for verdict in found["verdicts"]}
    assert met["answers that do not stand whole in their threads"]
    assert met["edits that changed nothing"]
    assert met["429 answers"]
    assert met["the bot's memory at its peak, in MB"]
    assert found["bot"]["changes"] >= 1


def record(at: float, method: str, message: str, content: str, **more: Any) -> dict[str, Any]:
    """A message sent (POST) or edited in thread 7, as the Discord recorded it."""
    path = "/channels/7/messages" if method == "POST" else f"/channels/7/messages/{message}"
    return {
        "time": at,
        "ended": at + 0.01,
        "method": method,
        "path": path,
        "status": 200,
        "response": {"id": message, "content": content, **more},
    }


def test_a_notice_is_no_text_and_an_edit_of_buttons_no_change() -> None:
    text = answer_text(0, 20)
    records = [
        record(1.0, "POST", "1", "⏳ You are number 1 in the queue."),
        record(2.0, "PATCH", "1", "Story"),
        record(3.0, "PATCH", "1", text),
        record(4.0, "PATCH", "1", text, components=["👍"]),
        record(5.0, "PATCH", "1", text, components=["👍"]),
    ]
    (answer,) = answers(records, {0: (1.5, 2.5)}, {0: "7"}, 20)
    assert answer.shown_at == (2.01, 3.01)
    assert round(answer.first_after, 2) == 0.51
    assert answer.whole
    assert unchanged_edits(records) == 1


def test_a_text_that_is_cut_short_is_not_whole() -> None:
    (answer,) = answers([record(1.0, "POST", "1", answer_text(0, 20)[:-1])], {0: (0.5,)}, {0: "7"}, 20)
    assert not answer.whole


def test_requests_are_counted_over_any_second_but_for_answers_to_interactions() -> None:
    records = [record(at, "POST", "1", "x") for at in (0.0, 0.9, 1.1, 1.8, 3.0)]
    records.append({**records[0], "time": 1.0, "path": "/webhooks/1/x/messages/@original"})
    assert most_in_a_second(records) == 3


def test_llmcords_one_timer_leaves_most_answers_as_they_began() -> None:
    times = {number: [number * 0.001 + step * 0.03 for step in range(100)] for number in range(10)}
    shown = llmcord.shown_at(times)
    assert all(each[0] == times[number][1] for number, each in shown.items()), (
        "the first chunk comes with the second"
    )
    assert all(each[-1] == times[number][-1] for number, each in shown.items()), "the last one always comes"
    assert sum(len(each) - 2 for each in shown.values()) <= 3, "in three seconds three edits, for ten answers"

"""What the command does when server or model do not behave."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.training.generation.conftest import Command, Serve
from tests.training.generation.stub import Stub, per_stage, refusal
from training.chats import Property, read_chats, write_properties
from training.generation.outcome import Outcome

SMALL = ("--languages", "fi", "--works", "3", "--chats", "2")


def report(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
    return content


def test_a_server_that_has_too_much_is_asked_less_and_nothing_is_lost(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> web.Response | None:
        if stub.under_way >= 4 and number > 20:
            return refusal(429, "too many", Retry_After="0.05")
        return refusal(503, "busy") if number % 17 == 0 else None

    stub = Stub(latency=0.01, behave=behave)
    server = serve(stub)
    assert generate("--languages", "fi", "--works", "6", "--chats", "2") == 0
    content = report(tmp_path)
    assert content["chats"] == 12
    assert content["this_run"]["shrunk"] >= 1
    assert content["this_run"]["retried"] == len(server.stub.bodies) - content["total"]["calls"] > 0
    assert content["total"]["lost_calls"] == 0


def test_a_pause_that_the_server_asks_for_is_kept(serve: Serve, generate: Command) -> None:
    times: list[float] = []

    def behave(number: int, body: dict[str, Any]) -> web.Response | None:
        times.append(time.monotonic())
        return refusal(429, "wait", Retry_After="1") if number == 3 else None

    serve(Stub(behave=behave))
    assert generate("--languages", "fi", "--works", "1", "--chats", "1") == 0
    assert times[3] - times[2] >= 0.95


def test_a_call_that_times_out_is_made_again_and_counted_as_lost(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> dict[str, Any] | None:
        if number == 5:
            time.sleep(1.2)
        return None

    serve(Stub(behave=behave))
    options = ("--timeout", "0.6", "--price-in", "1", "--price-out", "1", "--concurrency", "1")
    assert generate("--languages", "fi", "--works", "2", "--chats", "1", *options) == 0
    content = report(tmp_path)
    assert content["total"]["lost_calls"] >= 1
    assert content["total"]["lost_usd_at_most"] > 0
    assert "never came in" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("status", [408, 504, 524])
def test_a_call_that_a_gateway_gave_up_may_have_been_paid_for(
    status: int, serve: Serve, generate: Command, tmp_path: Path
) -> None:
    serve(Stub(behave=lambda number, body: refusal(status, "no answer in time") if number == 3 else None))
    prices = ("--price-in", "1", "--price-out", "1", "--concurrency", "1")
    assert generate("--languages", "fi", "--works", "1", "--chats", "1", *prices) == 0
    total = report(tmp_path)["total"]
    assert total["lost_calls"] == 1
    assert total["lost_usd_at_most"] > 0


def test_a_bad_reply_is_asked_for_again_with_what_was_wrong(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> dict[str, Any] | None:
        name = body["response_format"]["json_schema"]["name"]
        again = "was thrown away" in body["messages"][0]["content"]
        if name != "first_answers" or again:
            return None
        english = {
            "answer": "You could begin at the bridge, where he waits for spring.",
            "search_term": "Muumit",
        }
        return {"message": {"role": "assistant", "content": json.dumps(english)}}

    server = serve(Stub(behave=behave))
    assert generate(*SMALL) == 0
    assert per_stage(server.stub)["first_answers"] == 12
    complaints = [
        text for body in server.stub.bodies if "thrown away" in (text := body["messages"][0]["content"])
    ]
    assert all("it was written in English instead of Finnish" in text for text in complaints)
    content = report(tmp_path)
    assert (content["chats"], content["dropped"]) == (6, 0)
    assert content["this_run"]["bad_replies"] == {"first_answers": 6}


def test_what_stays_bad_is_dropped_with_a_reason_and_a_rerun_pays_nothing(
    serve: Serve, generate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def behave(number: int, body: dict[str, Any]) -> dict[str, Any] | None:
        name = body["response_format"]["json_schema"]["name"]
        bad = name == "second_answers" and "Tove" not in str(body["messages"][0]) and "Kalevala" in str(body)
        return {"message": {"role": "assistant", "content": "{}"}, "finish_reason": "length"} if bad else None

    server = serve(Stub(behave=behave))
    assert generate(*SMALL, "--salvage", "2") == 0
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert dropped
    assert {(each["kind"], each["property"]) for each in dropped} == {("cut off", "Kalevala")}
    assert len(read_chats(tmp_path / "out" / "chats" / "fi.jsonl")) == 6 - len(dropped)
    assert report(tmp_path)["languages"]["fi"]["dropped"] == {"cut off": len(dropped)}
    # People are told what they can do about it, the model is not.
    for text in (dropped[0]["reason"], " ".join(capsys.readouterr().out.split())):
        assert "--max-tokens" in text
        assert '{"reasoning_effort": "minimal"}' in text
    assert not any("--max-tokens" in json.dumps(body) for body in server.stub.bodies)
    calls = len(server.stub.bodies)
    assert Counter(map(json.dumps, server.stub.bodies)).most_common(1)[0][1] <= 3
    assert generate(*SMALL, "--salvage", "2") == 0
    assert len(server.stub.bodies) == calls


def test_leniently_read_other_languages_and_cut_ends_are_left_to_the_checks(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> dict[str, Any] | None:
        if body["response_format"]["json_schema"]["name"] != "second_answers":
            return None
        english = {"answer": "You could begin with the bridge, the river and the letter that came too"}
        return {
            "message": {"content": json.dumps(english | {"search_term": "Kalevala"})},
            "finish_reason": "length",
        }

    serve(Stub(behave=behave))
    assert generate(*SMALL, "--lenient", checks=True) == 0
    assert report(tmp_path)["chats"] == 6
    assert read_chats(tmp_path / "out" / "checked" / "chats" / "fi.jsonl") == []
    assert "text in another language" in (tmp_path / "out" / "validation" / "report.md").read_text()


def test_a_lenient_rerun_keeps_the_good_reply_that_a_chat_went_on_from(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> dict[str, Any] | None:
        first = body["response_format"]["json_schema"]["name"] == "first_answers"
        if not first or "was thrown away" in body["messages"][0]["content"]:
            return None
        english = {"answer": "You could begin at the bridge, where he waits.", "search_term": "Muumit"}
        return {"message": {"role": "assistant", "content": json.dumps(english)}}

    server = serve(Stub(behave=behave))
    assert generate(*SMALL) == 0
    chats, calls = read_chats(tmp_path / "out" / "chats" / "fi.jsonl"), len(server.stub.bodies)
    assert generate(*SMALL, "--lenient") == 0
    assert read_chats(tmp_path / "out" / "chats" / "fi.jsonl") == chats
    assert len(server.stub.bodies) == calls


def test_a_call_that_the_server_refuses_costs_its_chat_alone(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> web.Response | None:
        refused = body["response_format"]["json_schema"]["name"] == "second_questions" and "Kalevala" in str(
            body
        )
        return refusal(400, "content policy") if refused else None

    serve(Stub(behave=behave))
    assert generate(*SMALL, "--salvage", "1") == 0
    assert set(report(tmp_path)["languages"]["fi"]["dropped"]) == {"refused by the server"}


def test_a_refused_call_that_is_the_first_of_a_later_run_stops_nothing(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> web.Response | None:
        refused = body["response_format"]["json_schema"]["name"] == "second_questions" and "Kalevala" in str(
            body
        )
        return refusal(400, "content policy") if refused else None

    server = serve(Stub(behave=behave))
    assert generate(*SMALL, "--salvage", "1") == 0
    first, calls = report(tmp_path), len(server.stub.bodies)
    assert generate(*SMALL, "--salvage", "1") == 0
    assert report(tmp_path)["outcome"] == "complete"
    assert report(tmp_path)["chats"] == first["chats"] > 0
    # Each refused chat is asked about once a round, in the form that the first run found out.
    again = server.stub.bodies[calls:]
    assert len(again) == 2 * first["dropped"]
    assert {body["response_format"]["type"] for body in again} == {"json_schema"}
    assert generate("--languages", "fi", "--works", "4", "--chats", "2", "--salvage", "1") == 0
    assert report(tmp_path)["chats"] == first["chats"] + 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_api_key"), (404, "model_not_found"), (429, "insufficient_quota")]
)
def test_a_server_that_cannot_be_worked_with_ends_the_run_at_once(
    status: int,
    code: str,
    serve: Serve,
    generate: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(Stub(behave=lambda number, body: refusal(status, "no, sorry", code)))
    assert generate(*SMALL) == Outcome.INCOMPLETE
    assert len(server.stub.bodies) == 1
    assert "no, sorry" in capsys.readouterr().out
    assert report(tmp_path)["outcome"] == "incomplete"


def test_a_server_that_fails_in_the_middle_leaves_the_rest_to_the_next_run(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> web.Response | None:
        return refusal(402, "pay first") if broken and number > 8 else None

    broken = True
    server = serve(Stub(behave=behave))
    assert generate(*SMALL) == Outcome.INCOMPLETE
    broken = False
    assert generate(*SMALL) == 0
    assert report(tmp_path)["chats"] == 6
    assert server.stub.completions == report(tmp_path)["total"]["calls"]


def test_the_budget_stops_the_run_before_it_is_exceeded(
    serve: Serve, generate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(Stub())
    # The stub's calls are 1,000 tokens in and 200 out: $0.0014 each.
    prices = ("--price-in", "1", "--price-out", "2", "--max-tokens", "1000")
    assert generate(*SMALL, *prices, "--max-usd", "0.02") == Outcome.BUDGET
    first = report(tmp_path)
    assert first["outcome"] == "budget"
    assert 0.01 < first["total"]["usd"] <= 0.02
    assert "of $0.02 are spent" in capsys.readouterr().out
    assert generate(*SMALL, *prices, "--max-usd", "0.02") == Outcome.BUDGET
    assert report(tmp_path)["total"]["calls"] == first["total"]["calls"] == len(server.stub.bodies)
    assert generate(*SMALL, *prices, "--max-usd", "0.2") == 0
    assert report(tmp_path)["total"]["calls"] == len(server.stub.bodies)


def test_runs_without_a_known_price_count_towards_a_later_cap(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    server = serve(Stub())
    assert generate(*SMALL) == 0
    calls = len(server.stub.bodies)
    assert report(tmp_path)["total"]["usd"] == 0
    more = ("--languages", "fi", "--works", "6", "--chats", "2")
    prices = ("--price-in", "1", "--price-out", "2")
    assert generate(*more, *prices, "--max-usd", "0.02") == Outcome.BUDGET
    assert len(server.stub.bodies) == calls
    assert report(tmp_path)["total"]["usd"] == pytest.approx(0.0014 * calls)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    serve: Serve, generate: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(Stub())
    syncs, real = iter(range(1000)), os.fsync

    def full(descriptor: int) -> None:
        if next(syncs) > 25:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert generate(*SMALL) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert generate(*SMALL) == 0


def test_a_work_that_nobody_knows_waits_for_wikipedia_or_is_dropped_without_it(
    serve: Serve,
    generate: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("training.generation.background.TRIES", 2)
    serve(Stub(wikipedia=False, behave=None))
    work = Property(
        local_name="Qwx", english_name="Qwx", property_type="book", is_local=True, wikipedia_title="Qwx"
    )
    write_properties(tmp_path / "works" / "fi.json", [work])
    options = (
        "--languages",
        "fi",
        "--chats",
        "1",
        "--properties",
        str(tmp_path / "works"),
    )
    assert generate(*options) == Outcome.INCOMPLETE
    assert "Wikipedia is out of reach" in " ".join(capsys.readouterr().out.split())
    assert generate(*options, "--no-wikipedia", "--continue-anyway") == 0
    assert report(tmp_path)["languages"]["fi"]["dropped"] == {"no background": 1}


def test_where_nobody_listens_the_run_ends_soon_and_nothing_counts_as_lost(
    generate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("training.generation.asking.FIRST_PAUSE", 0.01)
    assert generate(*SMALL) == Outcome.INCOMPLETE
    assert "Cannot connect to host 127.0.0.1:9" in " ".join(capsys.readouterr().out.split())
    assert report(tmp_path)["total"]["lost_calls"] == 0


def test_a_server_that_hangs_up_is_asked_again_and_the_call_counts_as_lost(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    def behave(number: int, body: dict[str, Any]) -> web.Response | None:
        if number == 7:
            raise ConnectionResetError
        return None

    serve(Stub(behave=behave))
    assert generate(*SMALL) == 0
    assert report(tmp_path)["total"]["lost_calls"] <= 1
    assert report(tmp_path)["this_run"]["retried"] == 1


def test_no_cap_is_promised_where_no_price_is_known(
    generate: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.example.com/v1")
    assert generate(*SMALL, "--max-usd", "1") == 2
    assert "give --price-in and --price-out" in capsys.readouterr().err

"""A run's configuration: fixed with its first run, asked about when it changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.generation.conftest import Command, Serve
from tests.training.generation.stub import Stub
from training.chats import Property, read_chats, write_properties
from training.generation.folder import RunFolder
from training.generation.outcome import Outcome

ONE = ("--languages", "fi", "--works", "1", "--chats", "1")


def test_a_change_is_named_and_nothing_is_done(
    serve: Serve, generate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(Stub())
    assert generate(*ONE) == 0
    calls = len(server.stub.bodies)
    assert generate(*ONE, "--temperature", "0.5", "--seed", "7") == Outcome.CHANGED
    said = capsys.readouterr().out
    assert "temperature: 1.0 before, 0.5 now" in said
    assert "seed: 42 before, 7 now" in said
    assert len(server.stub.bodies) == calls
    assert generate(*ONE) == 0


def test_continue_anyway_keeps_what_is_paid_for(serve: Serve, generate: Command, tmp_path: Path) -> None:
    server = serve(Stub())
    assert generate(*ONE) == 0
    calls = len(server.stub.bodies)
    assert generate(*ONE, "--temperature", "0.5", "--continue-anyway") == 0
    assert len(server.stub.bodies) == calls
    assert generate(*ONE, "--temperature", "0.5") == 0
    lines = (tmp_path / "out" / "journal" / "first_answers.jsonl").read_text().splitlines()
    fingerprints = [line["fingerprint"] for line in map(json.loads, lines) if line["event"] == "begin"]
    assert len(set(fingerprints)) == len(fingerprints) == 2


def test_an_answer_is_used_for_nothing_but_what_it_answers(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    """With other chats, works or seeds the same slot asks something else."""
    server = serve(Stub())
    assert generate(*ONE) == 0
    assert (
        generate("--languages", "fi", "--works", "1", "--chats", "2", "--seed", "7", "--continue-anyway") == 0
    )
    chats = read_chats(tmp_path / "out" / "chats" / "fi.jsonl")
    assert [chat.id for chat in chats] == ["fi-01-1", "fi-01-2"]
    asked = [
        [message["content"] for message in body["messages"][1:]]
        for body in server.stub.bodies
        if body["response_format"]["json_schema"]["name"] == "first_answers"
    ]
    answered = {asked[-1][0], asked[-2][0]}
    assert {chat.messages[0].content for chat in chats} == answered
    calls = len(server.stub.bodies)
    assert generate("--languages", "fi", "--works", "1", "--chats", "2", "--seed", "7") == 0
    assert len(server.stub.bodies) == calls


def test_answers_that_earlier_versions_kept_are_used(serve: Serve, generate: Command, tmp_path: Path) -> None:
    server = serve(Stub())
    assert generate(*ONE) == 0
    for path in (tmp_path / "out" / "journal").glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert all(line.pop("request") for line in lines if line["event"] == "answer")
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    calls = len(server.stub.bodies)
    assert generate(*ONE) == 0
    assert len(server.stub.bodies) == calls


def test_restart_sets_everything_aside(serve: Serve, generate: Command, tmp_path: Path) -> None:
    server = serve(Stub())
    assert generate(*ONE) == 0
    calls = len(server.stub.bodies)
    assert generate("--languages", "fi", "--works", "2-2", "--chats", "1", "--seed", "7", "--restart") == 0
    assert len(server.stub.bodies) > calls
    assert [chat.id for chat in read_chats(tmp_path / "out" / "chats" / "fi.jsonl")] == ["fi-02"]
    assert [chat.id for chat in read_chats(tmp_path / "out" / "before.1" / "chats" / "fi.jsonl")] == ["fi-01"]


def test_at_a_terminal_the_person_is_asked(
    serve: Serve, generate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Stub())
    assert generate(*ONE) == 0
    answers = iter(["what?", "q", "c"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.input", lambda self, prompt: next(answers))
    assert generate(*ONE, "--seed", "7") == Outcome.CHANGED
    assert generate(*ONE, "--seed", "7") == 0


def test_other_works_of_a_language_are_a_change(
    serve: Serve, generate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(Stub())
    works = [
        Property(
            local_name=name, english_name=name, property_type="book", is_local=True, wikipedia_title=name
        )
        for name in ("Sinuhe", "Kalevala")
    ]
    write_properties(tmp_path / "works" / "fi.json", works)
    options = ("--languages", "fi", "--chats", "1", "--properties", str(tmp_path / "works"))
    assert generate(*options) == 0
    write_properties(tmp_path / "works" / "fi.json", works[::-1])
    assert generate(*options) == Outcome.CHANGED
    assert "works of fi" in capsys.readouterr().out


def test_pace_and_budget_are_no_part_of_it(serve: Serve, generate: Command) -> None:
    serve(Stub())
    assert generate(*ONE) == 0
    assert generate(*ONE, "--concurrency", "3", "--max-usd", "5", "--timeout", "9", "--salvage", "1") == 0


def test_two_processes_do_not_work_in_one_folder(
    serve: Serve, generate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(Stub())
    with RunFolder(tmp_path / "out").locked():
        assert generate(*ONE) == 2
    assert "another process is at work" in capsys.readouterr().err


def test_data_that_no_run_has_made_is_not_written_over(
    serve: Serve, generate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(Stub())
    (tmp_path / "out" / "chats").mkdir(parents=True)
    (tmp_path / "out" / "chats" / "fi.jsonl").write_text("{}\n")
    assert generate(*ONE) == 2
    assert "choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--languages", "fi,tlh"), "tlh is none of the forty"),
        (("--extra", "[1]"), "not a JSON object"),
        (("--extra", "{"), "--extra"),
        (("--works", "one"), "give a number"),
        (("--concurrency", "0"), "at least 1"),
        (("--properties", "nowhere"), "nowhere"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_asked(
    options: tuple[str, ...],
    message: str,
    serve: Serve,
    generate: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(Stub())
    assert generate("--languages", "fi", *options) == 2
    assert message in capsys.readouterr().err
    assert server.stub.bodies == []


def test_openai_s_own_server_wants_a_key_and_the_dry_run_none(
    generate: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert generate(*ONE) == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err
    assert generate(*ONE, "--dry-run") == 0

"""The whole command, against a server that answers well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from model.lookup_tag import parse_reply
from tests.training.generation.conftest import Command, Serve
from tests.training.generation.stub import Stub, per_stage
from training.__main__ import main
from training.chats import PROPERTIES, read_chats, read_properties
from training.checks.tag import check_tag


def test_two_languages_three_works_two_chats(serve: Serve, generate: Command, tmp_path: Path) -> None:
    server = serve(Stub())
    assert generate("--languages", "fi,ko", "--works", "3", "--chats", "2") == 0
    out = tmp_path / "out"
    for code in ("fi", "ko"):
        chats = read_chats(out / "chats" / f"{code}.jsonl")
        works = read_properties(out / "properties" / f"{code}.json")
        assert [chat.id for chat in chats] == [f"{code}-{work:02d}-{n}" for work in (1, 2, 3) for n in (1, 2)]
        assert [chat.property for chat in chats] == [w.english_name for w in works[:3] for _ in (1, 2)]
        assert [finding for chat in chats for finding in check_tag(chat)] == []
    report = json.loads((out / "report.json").read_text())
    assert report["outcome"] == "complete"
    assert report["chats"] == 12
    assert report["total"]["calls"] == len(server.stub.bodies)
    assert report["total"]["tokens_in"] == 1000 * len(server.stub.bodies)
    assert {name: row["calls"] for name, row in report["stages"].items()} == per_stage(server.stub)
    assert per_stage(server.stub)["first_questions"] == 6
    assert "| Finnish | 6 |" in (out / "report.md").read_text()


def test_a_block_of_twenty_has_the_mixture_of_the_shipped_rows(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    serve(Stub())
    assert generate("--languages", "sv", "--chats", "1") == 0
    chats = read_chats(tmp_path / "out" / "chats" / "sv.jsonl")
    assert len(chats) == 20
    assert sum(chat.lookup is None for chat in chats) == 4
    assert Counter(len(chat.messages) for chat in chats) == {4: 17, 6: 3}
    assert sum(parse_reply(chat.messages[3].content, "sv").lookup is not None for chat in chats) == 2
    sources = Counter(chat.background[0].source for chat in chats if chat.background)
    assert sources == {"wikipedia": 15, "written": 1}
    page = next(chat.background[0] for chat in chats if chat.background[0:1] and chat.background[0].url)
    assert page.revision == 42


def test_one_request_per_look_up_and_none_for_the_same_again(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    server = serve(Stub())
    assert generate("--languages", "de", "--works", "4", "--chats", "3") == 0
    assert len(server.stub.lookups) == len(set(server.stub.lookups)) <= 4


def test_where_wikipedia_is_out_of_reach_the_bundled_notes_stand_in(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    serve(Stub(wikipedia=False))
    assert generate("--languages", "fi", "--works", "3", "--chats", "2") == 0
    chats = read_chats(tmp_path / "out" / "chats" / "fi.jsonl")
    assert {note.source for chat in chats for note in chat.background} == {"written"}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(report["background"]) == {"bundled"}
    assert report["this_run"]["wikipedia_given_up"]


def test_the_article_s_prompts_ask_for_one_question_at_a_time(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    server = serve(Stub())
    assert generate("--languages", "sw", "--works", "2", "--chats", "2", "--prompts", "article") == 0
    chats = read_chats(tmp_path / "out" / "chats" / "sw.jsonl")
    assert per_stage(server.stub) == {
        "first_questions": 4,
        "first_answers": 4,
        "second_questions": 4,
        "second_answers": 4,
    }
    assert all(chat.lookup is not None and len(chat.messages) == 4 for chat in chats)


def test_works_proposed_by_the_model_are_written_about(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    server = serve(Stub())
    options = ("--languages", "he", "--works", "2", "--chats", "1", "--properties", "model")
    assert generate(*options) == 0
    assert len(read_properties(tmp_path / "out" / "properties" / "he.json")) == 20
    assert per_stage(server.stub)["properties"] == 1
    assert len(read_chats(tmp_path / "out" / "chats" / "he.jsonl")) == 2


@pytest.mark.parametrize(
    ("forms", "sent"),
    [
        (("json_schema", "json_object"), {"json_schema"}),
        (("json_object",), {"json_schema", "json_object"}),
        ((), {"json_schema", "json_object", "text"}),
    ],
)
def test_the_strictest_form_that_the_server_takes_is_found_out_once(
    forms: tuple[str, ...], sent: set[str], serve: Serve, generate: Command, tmp_path: Path
) -> None:
    server = serve(Stub(forms=forms))
    assert generate("--languages", "th", "--works", "3", "--chats", "2") == 0
    used = Counter(body.get("response_format", {}).get("type", "text") for body in server.stub.bodies)
    assert set(used) == sent
    assert sorted(used.values())[:-1] == [1] * (len(sent) - 1)
    assert len(read_chats(tmp_path / "out" / "chats" / "th.jsonl")) == 6
    before = len(server.stub.bodies)
    assert generate("--languages", "th", "--works", "4", "--chats", "2") == 0
    later = {body.get("response_format", {}).get("type", "text") for body in server.stub.bodies[before:]}
    assert len(later) == 1


def test_a_finished_run_is_made_again_without_a_call_and_byte_for_byte(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    server = serve(Stub())
    options = ("--languages", "hu", "--works", "3", "--chats", "1")
    assert generate(*options) == 0
    chats, calls = (tmp_path / "out" / "chats" / "hu.jsonl").read_bytes(), len(server.stub.bodies)
    assert generate(*options) == 0
    assert (tmp_path / "out" / "chats" / "hu.jsonl").read_bytes() == chats
    assert len(server.stub.bodies) == calls


def test_other_works_and_languages_are_added_to_what_is_there(
    serve: Serve, generate: Command, tmp_path: Path
) -> None:
    serve(Stub())
    assert generate("--languages", "fi", "--works", "2", "--chats", "1") == 0
    assert generate("--languages", "fi,et", "--works", "4-5", "--chats", "1") == 0
    written = [chat.id for chat in read_chats(tmp_path / "out" / "chats" / "fi.jsonl")]
    assert written == ["fi-01", "fi-02", "fi-04", "fi-05"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {code: row["chats"] for code, row in report["languages"].items()} == {"fi": 4, "et": 2}


def test_the_properties_of_languages_are_proposed_checked_and_written(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server = serve(Stub())
    assert main(["properties", "--model", "stub", "--languages", "fi,ko", "--out", "out"]) == 0
    assert per_stage(server.stub) == {"properties": 2}
    assert read_properties(tmp_path / "out" / "properties" / "ko.json") == read_properties(
        PROPERTIES / "ko.json"
    )
    assert "Checks: no findings about the works." in capsys.readouterr().out
    assert not (tmp_path / "out" / "chats").exists()
    options = ("--languages", "ko", "--works", "1", "--chats", "1", "--properties", "out/properties")
    assert main(["generate", "--model", "stub", "--out", "chats", *options]) == 0


def test_help_answers_without_anything_heavy() -> None:
    code = (
        "import sys; from training.__main__ import main\n"
        "try: main(['generate', '--help'])\n"
        "except SystemExit: print(sorted({'openai', 'aiohttp', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.endswith("[]\n")

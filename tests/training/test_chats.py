"""Reading and writing rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.languages import LANGUAGES
from model.lookup_tag import parse_reply
from training.chats import (
    CHATS,
    PROPERTIES,
    BackgroundNote,
    Chat,
    as_turns,
    chat_line,
    read_chats,
    read_folder,
    read_properties,
    scan_chats,
    write_chats,
    write_properties,
)
from training.errors import MalformedRow, MissingData


def a_row() -> dict[str, Any]:
    return json.loads((CHATS / "ko.jsonl").read_text(encoding="utf-8").splitlines()[0])


def test_the_shipped_chats_come_back_byte_for_byte(tmp_path: Path) -> None:
    for code in LANGUAGES:
        write_chats(tmp_path / f"{code}.jsonl", read_chats(CHATS / f"{code}.jsonl"))
        assert (tmp_path / f"{code}.jsonl").read_bytes() == (CHATS / f"{code}.jsonl").read_bytes()


def test_properties_come_back_as_they_were(tmp_path: Path) -> None:
    works = read_properties(PROPERTIES / "th.json")
    write_properties(tmp_path / "th.json", works)
    assert len(works) == 20
    assert read_properties(tmp_path / "th.json") == works


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"language": "xx"}, "'xx' is none of the forty"),
        ({"task": "poem"}, "task 'poem' is none of ideas"),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "user", "content": "a"}] * 2}, "must alternate"),
        ({"messages": [{"role": "system", "content": "a"}] * 2}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}] * 2}, "messages.0.content"),
        ({"lookup": {"term": "A"}}, "lookup.language: Field required"),
        ({"mood": "sad"}, "mood: Extra inputs"),
        ({"property": 7}, "property: Input should be a valid string"),
    ],
)
def test_a_malformed_row_names_file_line_and_reason(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    good = json.dumps(a_row())
    file = tmp_path / "ko.jsonl"
    file.write_text(f"{good}\n\n{json.dumps(a_row() | change)}\n", encoding="utf-8")
    with pytest.raises(MalformedRow, match=reason) as caught:
        read_chats(file)
    assert (caught.value.file, caught.value.line) == (file, 3)
    assert str(caught.value).startswith(f"{file}:3: ")


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    for path, read in ((CHATS / "fi.jsonl", read_chats), (PROPERTIES / "fi.json", read_properties)):
        marked = tmp_path / path.name
        marked.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert read(marked) == read(path)


def test_scanning_goes_on_after_a_bad_line(tmp_path: Path) -> None:
    good = json.dumps(a_row())
    file = tmp_path / "ko.jsonl"
    file.write_text(f'{good}\n{{"id": \n{good}', encoding="utf-8")
    first, second, third = scan_chats(file)
    assert isinstance(first, Chat)
    assert isinstance(second, MalformedRow)
    assert "no JSON" in second.reason
    assert third == first


def test_a_missing_file_and_an_empty_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"ko\.jsonl cannot be read"):
        read_chats(tmp_path / "ko.jsonl")
    with pytest.raises(MissingData, match=r"no <code>\.jsonl"):
        read_folder(tmp_path)


def test_where_a_page_is_from_is_written_only_for_wikipedia() -> None:
    row = Chat.model_validate(a_row())
    page = BackgroundNote(
        title="A", text="B", source="wikipedia", url="https://ko.wikipedia.org/wiki/A", revision=7
    )
    assert json.loads(chat_line(row))["background"][0].keys() == {"title", "text", "source"}
    kept = json.loads(chat_line(row.model_copy(update={"background": (page,)})))["background"][0]
    assert (kept["url"], kept["revision"]) == ("https://ko.wikipedia.org/wiki/A", 7)


def test_a_list_of_works_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"local_name": "A"}]', encoding="utf-8")
    (tmp_path / "b.json").write_text("{}", encoding="utf-8")
    (tmp_path / "c.json").write_text("[,]", encoding="utf-8")
    for name, reason in (("a", "english_name: Field required"), ("b", "not a list"), ("c", "no JSON")):
        with pytest.raises(MalformedRow, match=reason):
            read_properties(tmp_path / f"{name}.json")


def test_what_an_answer_asks_for_stands_in_front_of_the_question_behind_it() -> None:
    """As people's chats have it: a page that nobody has asked for yet is not there."""
    asked_twice = [
        chat
        for chats in read_folder(CHATS).values()
        for chat in chats
        if len(chat.background) > 1 and parse_reply(chat.messages[3].content, chat.language).lookup
    ]
    assert len(asked_twice) == 7
    for chat in asked_twice:
        noted = [[note.title for note in turn.context] for turn in as_turns(chat)]
        first, second = chat.background
        assert noted == [[], [], [first.title], [], [second.title], []]


def test_two_pages_of_one_look_up_stand_together() -> None:
    (chat,) = [each for each in read_chats(CHATS / "bg.jsonl") if each.id == "bg-16"]
    assert [len(turn.context) for turn in as_turns(chat)] == [0, 0, 2, 0]

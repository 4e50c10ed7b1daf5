"""Stories as JSON, for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.export.story_json import StoryFile, as_json
from tests.bot.export.stories import LLAMA, TEXTS, story
from training.importing.chats import import_chats
from training.importing.reading import read_file


@pytest.mark.parametrize("code", TEXTS)
def test_the_file_has_the_documented_form(code: str) -> None:
    text = as_json(story(code))
    parsed = StoryFile.model_validate_json(text)
    title, _, _, answers = TEXTS[code]
    assert (parsed.format, parsed.version, parsed.language) == ("fanfabler-story", 1, code)
    assert parsed.details.title == title
    assert parsed.messages[0].content == answers[0]
    assert {m.model for m in parsed.messages} == {LLAMA}
    assert json.loads(text)["changed_at"] == "2026-11-01T12:30:00Z"


def test_the_context_is_there_with_its_revision_and_licence() -> None:
    page, note = StoryFile.model_validate_json(as_json(story("fi"))).background
    assert (page.title, page.language, page.revision, page.licence) == ("Kalevala", "fi", 123, "CC BY-SA 4.0")
    assert (note.source, note.url) == ("bundled", None)


def test_a_story_with_its_talk_can_be_imported_as_a_chat(tmp_path: Path) -> None:
    path = tmp_path / "story.json"
    path.write_text(as_json(story("zh", with_talk=True)), encoding="utf-8")
    imported = import_chats(read_file(path))
    (chat,) = imported.chats
    assert chat.language == "zh"
    assert [turn.role for turn in chat.messages] == ["user", "assistant"] * 2
    assert chat.messages[0].content == TEXTS["zh"][2]
    assert [note.title for note in chat.background] == ["Kalevala", "Sampo"]

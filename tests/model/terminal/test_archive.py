"""Where conversations are kept."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from model.lookup_tag import Lookup
from model.terminal.archive import Archive, default_folder
from model.terminal.errors import ArchiveError
from model.terminal.story import Entry
from model.wikipedia import Page

PAGE = Page("Dune", "en", "A planet of sand.", "wikipedia", "https://en.wikipedia.org/wiki/Dune", 7, None)


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path):
    archive = Archive(tmp_path)
    story = archive.new()
    story.language = "ko"
    story.say("안녕 👋")
    story.entries.append(Entry("assistant", "그래.", Lookup("듄", "ko"), [PAGE], "fanfic", stopped=True))
    archive.keep(story)
    assert archive.open(story.id) == story
    assert [path.name for path in tmp_path.iterdir()] == [f"{story.id}.json"]


def test_nobody_else_can_read_it(tmp_path: Path):
    archive = Archive(tmp_path / "chats")
    story = archive.new()
    story.say("a secret")
    archive.keep(story)
    assert stat.S_IMODE((tmp_path / "chats").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "chats" / f"{story.id}.json").stat().st_mode) == 0o600


def test_files_that_are_no_conversations_are_left_out(tmp_path: Path):
    archive = Archive(tmp_path)
    story = archive.new()
    story.say("hello")
    archive.keep(story)
    for number, text in enumerate(["", "{}", "[]", '{"form": 99}', "\0", '{"form": 1, "entries": [{}]}']):
        (tmp_path / f"9-{number}.json").write_text(text)
    assert [found.id for found in archive.newest(5)] == [story.id]


@pytest.mark.parametrize("story_id", ["nobody", "../secret", "/etc/passwd", "", ".", "a\0b"])
def test_an_id_that_is_none_is_refused(tmp_path: Path, story_id: str):
    (tmp_path / "secret.json").write_text("{}")
    with pytest.raises(ArchiveError, match="conversation"):
        Archive(tmp_path / "chats").open(story_id)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "chats").write_text("in the way")
    archive = Archive(tmp_path / "chats")
    with pytest.raises(ArchiveError, match="could not be kept in"):
        archive.keep(archive.new())


def test_a_language_of_no_such_code_is_forgotten(tmp_path: Path):
    archive = Archive(tmp_path)
    story = archive.new()
    archive.keep(story)
    path = tmp_path / f"{story.id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"language": "tlh"}))
    assert archive.open(story.id).language is None


def test_it_is_below_the_users_folder_for_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "fanfabler" / "chats"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_folder() == Path.home() / ".local" / "state" / "fanfabler" / "chats"

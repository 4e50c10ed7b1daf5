"""Where conversations are kept: a folder with one JSON file each, readable by their owner alone."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.languages import LANGUAGES
from model.lookup_tag import Lookup
from model.terminal.errors import ArchiveError
from model.terminal.story import Entry, Story
from model.wikipedia import Page

_FORM = 1


def default_folder() -> Path:
    """`fanfabler/chats` below the user's folder for state (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "fanfabler" / "chats"


class Archive:
    """The conversations of one folder. It is made when there is something to keep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new(self) -> Story:
        """A conversation that nobody has said anything in; not kept until it is."""
        now = datetime.now(UTC)
        return Story(f"{now:%Y%m%d-%H%M%S-%f}", now)

    def keep(self, story: Story) -> None:
        """Write a conversation, whole or not at all. Raises `ArchiveError`."""
        fields = asdict(story) | {"form": _FORM, "begun": story.begun.isoformat()}
        path = self._path(story.id)
        made = path.with_suffix(".tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(
                os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump(fields, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            made.replace(path)
        except OSError as error:
            raise ArchiveError(
                f"The conversation could not be kept in {self.folder}: {error.strerror}"
            ) from None

    def newest(self, count: int) -> list[Story]:
        """The conversations begun last, the newest first. Files that are none are left out."""
        stories = []
        for path in sorted(self.folder.glob("*.json"), reverse=True):
            try:
                stories.append(self.open(path.stem))
            except ArchiveError:
                continue
            if len(stories) == count:
                break
        return stories

    def open(self, story_id: str) -> Story:
        """The conversation of this id. Raises `ArchiveError`."""
        if Path(story_id).name != story_id or story_id.startswith("."):
            raise ArchiveError(f"There is no conversation {story_id!r}.")
        try:
            return _read(json.loads(self._path(story_id).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ArchiveError(f"There is no conversation {story_id!r}.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ArchiveError(f"The conversation {story_id!r} cannot be read.") from None

    def _path(self, story_id: str) -> Path:
        return self.folder / f"{story_id}.json"


def _read(fields: dict[str, Any]) -> Story:
    if fields["form"] != _FORM:
        raise ValueError("written by another version")
    entries = [
        Entry(
            **entry
            | {
                "lookup": Lookup(**entry["lookup"]) if entry["lookup"] else None,
                "pages": [Page(**page) for page in entry["pages"]],
            }
        )
        for entry in fields["entries"]
    ]
    language = fields["language"] if fields["language"] in LANGUAGES else None
    return Story(fields["id"], datetime.fromisoformat(fields["begun"]), language, entries)

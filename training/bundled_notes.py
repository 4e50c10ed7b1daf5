"""Draws the notes of `model/catalogue/notes/` from the chats' `background`: `python -m training.bundled_notes`.

One note per title and language, the first one written. A note that answers its chat's look-up also gets the
names of the chat's property; one that is about something else (the look-up missed, which is part of the
data) does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from model.catalogue import Property, load_properties
from model.languages import LANGUAGES

CHATS = Path(__file__).parent / "data" / "chats"
NOTES = Path(__file__).parents[1] / "model" / "catalogue" / "notes"


def notes_of(chats: Iterable[dict[str, Any]], properties: Iterable[Property]) -> list[dict[str, Any]]:
    """The notes of one language's chats, in their order: title, text, and what else the work is called."""
    works = {work.english_name: work for work in properties}
    notes: dict[str, dict[str, Any]] = {}
    for chat in chats:
        for background in chat["background"]:
            title = background["title"]
            note = notes.setdefault(
                title.casefold(), {"title": title, "text": background["text"], "names": []}
            )
            work = works.get(chat["property"])
            if work is not None and title in {chat["lookup"]["term"], work.wikipedia_title, work.local_name}:
                names = (work.local_name, work.wikipedia_title, chat["lookup"]["term"], work.english_name)
                note["names"] += [name for name in names if name not in {title, *note["names"]}]
    return list(notes.values())


def notes_file(code: str) -> str:
    """The text of `notes/<code>.json`."""
    lines = (CHATS / f"{code}.jsonl").read_text(encoding="utf-8").splitlines()
    notes = notes_of(map(json.loads, lines), load_properties(code))
    return json.dumps(notes, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the notes of all forty languages."""
    NOTES.mkdir(exist_ok=True)
    for code in LANGUAGES:
        (NOTES / f"{code}.json").write_text(notes_file(code), encoding="utf-8")


if __name__ == "__main__":
    main()

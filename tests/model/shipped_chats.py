"""The shipped chats, as the tests of the contract read them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from model.conversation import ChatMessage, ContextNote, Turn, build, system_prompt
from model.languages import LANGUAGES

FOLDER = Path(__file__).parents[2] / "training" / "data" / "chats"


@cache
def shipped_chats() -> tuple[dict[str, Any], ...]:
    """Every row of `training/data/chats`."""
    return tuple(
        json.loads(line)
        for code in LANGUAGES
        for line in (FOLDER / f"{code}.jsonl").read_text(encoding="utf-8").splitlines()
    )


def as_messages(chat: dict[str, Any]) -> list[ChatMessage]:
    """A row as the model is shown it: the system prompt, and the background in front of the second question; what
    the second answer asks for stands in front of the third."""
    notes = tuple(ContextNote(note["title"], chat["language"], note["text"]) for note in chat["background"])
    asks_again = len(chat["messages"]) > 4 and "\n>>> " in chat["messages"][3]["content"]
    noted = {2: notes[:1], 4: notes[1:]} if asks_again else {2: notes}
    turns = [
        Turn(message["role"], message["content"], noted.get(index, ()))
        for index, message in enumerate(chat["messages"])
    ]
    return build(system_prompt(LANGUAGES[chat["language"]]), turns)

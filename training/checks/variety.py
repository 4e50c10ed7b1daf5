"""Close languages and varieties that a detector cannot tell apart, by words and letters only one of them has."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import regex
import yaml

from training.chats import Chat
from training.checks.finding import Finding
from training.checks.parts import answers
from training.checks.words import words

_HAN = regex.compile(r"\p{Han}")
_ENOUGH = 3


@cache
def word_lists() -> dict[str, Any]:
    """What `varieties.yaml` holds."""
    table: dict[str, Any] = yaml.safe_load(
        files("training.checks").joinpath("varieties.yaml").read_text(encoding="utf-8")
    )
    return table


def check_variety(chat: Chat) -> list[Finding]:
    """No answer is in the close language, in Nynorsk or in traditional characters."""
    found = []
    for part in answers(chat):
        said = words(part.text)
        flaws = [
            f"reads like {other}: {', '.join(sorted(theirs)[:5])}"
            for other, lists in word_lists()["close"].get(chat.language, {}).items()
            if (theirs := _other_words(said, lists))
        ]
        if chat.language == "no" and (theirs := _other_words(said, word_lists()["nynorsk"])):
            flaws.append(f"Nynorsk: {', '.join(sorted(theirs)[:5])}")
        if chat.language == "zh" and (characters := _traditional(part.text)):
            flaws.append(f"traditional characters: {characters[:8]}")
        found += [Finding("variety", part.where, flaw) for flaw in flaws]
    return found


def _other_words(said: list[str], lists: dict[str, str]) -> set[str]:
    """The other's words in the text, where there are enough of them, and more than of one's own."""
    others, own = frozenset(lists["theirs"].split()), frozenset(lists["own"].split())
    theirs = [word for word in said if word in others]
    return (
        set(theirs) if len(theirs) >= _ENOUGH and len(theirs) > sum(word in own for word in said) else set()
    )


def _traditional(text: str) -> str:
    traditional = frozenset("".join(word_lists()["traditional"].split()))
    found = [character for character in text if character in traditional]
    return "".join(found) if len(found) >= 3 and len(found) * 50 >= len(_HAN.findall(text)) else ""

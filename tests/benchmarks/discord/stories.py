"""What the members ask for and what the fake worker answers, so that each can be told from the text alone."""

from __future__ import annotations

import re
from itertools import cycle

from model.engine.fake import FakeCodec, Messages

_WORDS = re.findall(
    r"\S+",
    "The old fox ran far from the hill and came home at dusk. She said that the sea was calm and blue.",
)
_PARAGRAPH = 3 * len(_WORDS)
_ASKED = re.compile(r"story (\d+) in (\d+) tokens")


def prompt(number: int, tokens: int) -> str:
    """What a member writes."""
    return f"Please tell me story {number} in {tokens} tokens."


def label(number: int) -> str:
    """How every answer of a story begins."""
    return f"Story {number}:"


def answer_text(number: int, tokens: int) -> str:
    """An answer of so many tokens of the fake's, or one more."""
    codec = FakeCodec()
    text = label(number)
    left = tokens - len(codec.encode_text(text))
    for place, word in enumerate(cycle(_WORDS), 1):
        if left <= 0:
            break
        spaced = f"\n\n{word}" if place % _PARAGRAPH == 0 else f" {word}"
        text += spaced
        left -= len(codec.encode_text(spaced))
    return text


def reply(messages: Messages) -> str:
    """The fake's rule: the story that was asked for last. To a question put aside it says little."""
    asked = [match for role, content in messages if role == "user" for match in _ASKED.finditer(content)]
    last = messages[-1][1] if messages else ""
    if not asked or not _ASKED.search(last) or "Please tell me" not in last.splitlines()[-1]:
        return "The Old Fox"
    number, tokens = map(int, asked[-1].groups())
    return answer_text(number, tokens)

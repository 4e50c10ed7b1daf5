"""The seam to moderation services: what is asked of one. `openai_endpoint` and `llama_guard` are the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bot.database.tables import Direction
from bot.errors import BotError
from bot.moderation.categories import Category


class ModerationAway(BotError):
    """The moderation service does not answer, or not with anything that can be understood."""


@dataclass(frozen=True)
class Passage:
    """A text to be judged. `before` is what stands before it in the same answer and was judged already, `question`
    what the answer is to: services that read conversations are shown both."""

    text: str
    direction: Direction
    before: str = ""
    question: str = ""


class ModerationService(Protocol):
    """Says what is in a text."""

    async def judge(self, passage: Passage) -> frozenset[Category]:
        """The categories that the passage falls under; none for most.

        Raises:
            ModerationAway: nobody knows.
        """
        ...


def pieces(text: str, size: int) -> Iterator[str]:
    """A long text in pieces of at most `size` characters, overlapping a little, so that nothing hides in a cut."""
    overlap = size // 10
    start = 0
    while True:
        yield text[start : start + size]
        start += size - overlap
        if start + overlap >= len(text):
            return

"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "schema": "not a row of the form that the format asks for",
    "tag": "a look-up tag that is malformed, in the wrong place, or not what the row says it is",
    "term": "a look-up in another language than the row's",
    "script": "letters of the wrong script",
    "language": "text in another language",
    "variety": "the close language or the other variety (Danish for Norwegian, traditional for simplified Chinese)",
    "english": "English left over in the midst of another language",
    "refusal": "the model refuses or speaks of itself",
    "boilerplate": "what chat models say to fill a page",
    "loop": "the same again and again",
    "length": "too short or too long",
    "form": "headings, tables, several emoji, leftovers of templates, broken characters",
    "cut": "ends in the middle of a sentence",
    "duplicate": "nearly the same as an earlier row",
    "quota": "a language's set is not composed as it should be",
    "catalogue": "the list of works is not composed as it should be",
    "spread": "a title in many languages",
}
"""Check → what it looks for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One flaw: which check found it, where in the row (`messages.1`), and what exactly, in English."""

    check: str
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.detail}" if self.where else f"{self.check}: {self.detail}"


def excerpt(text: str, limit: int = 60) -> str:
    """The text in one line, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

"""English that was left over in the midst of another language."""

from __future__ import annotations

import regex

from training.chats import Chat
from training.checks.finding import Finding, excerpt
from training.checks.parts import parts
from training.checks.variety import word_lists
from training.checks.words import words

_LATIN_RUN = regex.compile(r"[a-zA-Z][a-zA-Z'’,;: -]*[a-zA-Z]")
_SENTENCE_END = regex.compile(r"(?<=[.!?…。！？؟।։])[\s\"'»”“]+|\n+")
_TITLE = regex.compile(r"[«»\"“”„「『《‹*_][^«»\"“”„「」『』《》‹›*_]{1,60}[«»\"“”“」』》›*_]")
_WINDOW = 8


def check_english(chat: Chat) -> list[Finding]:
    """No English sentence, or half of one. Titles in quotes or italics are let pass."""
    if chat.language == "en":
        return []
    found = []
    for part in parts(chat):
        if fragment := _english_in(part.text):
            found.append(Finding("english", part.where, excerpt(fragment)))
    return found


def _english_in(text: str) -> str | None:
    """The first stretch with three different English little words close together."""
    little = frozenset(word_lists()["english"].split())
    for sentence in _SENTENCE_END.split(_TITLE.sub(" ", text)):
        for run in _LATIN_RUN.findall(sentence):
            said = words(run)
            for start in range(max(len(said) - _WINDOW + 1, 1)):
                window = said[start : start + _WINDOW]
                if len(little.intersection(window)) >= 3:
                    return str(run)
    return None

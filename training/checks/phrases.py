"""Refusals and boilerplate, by lists of phrases in all forty languages (`phrases.yaml`).

Phrases are looked for where they mean what they seem to: characters in a story are sorry, too.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex
import yaml

from training.chats import Chat
from training.checks.finding import Finding
from training.checks.parts import answers

_UNSPACED = frozenset({"zh", "ja", "th", "ko"})
_HEAD, _TAIL = 160, 200
_LEAD = regex.compile(r"^[\s*_\"'«»“„¡¿!-]+(?=[\p{L}¡¿])")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase as it is looked for; `whole` where it must end a word, too."""

    text: str
    starts_word: bool
    ends_word: bool

    def found_in(self, text: str, start: int = 0, end: int | None = None) -> bool:
        place = text.find(self.text, start, end)
        while place >= 0:
            after = place + len(self.text)
            begins = not self.starts_word or place == 0 or not text[place - 1].isalnum()
            if begins and not (self.ends_word and after < len(text) and text[after].isalnum()):
                return True
            place = text.find(self.text, place + 1, end)
        return False


@cache
def _phrases(language: str, kind: str) -> tuple[_Phrase, ...]:
    """A language's own phrases of a kind, and the English ones."""
    table = _table()
    return tuple(
        _phrase(text, language) for text in dict.fromkeys([*table[language][kind], *table["en"][kind]])
    )


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    table: dict[str, dict[str, list[str]]] = yaml.safe_load(
        files("training.checks").joinpath("phrases.yaml").read_text(encoding="utf-8")
    )
    return table


def _phrase(text: str, language: str) -> _Phrase:
    """From a word's beginning; to its end too where it ends with an abbreviation (`as an AI`)."""
    if language in _UNSPACED and not text.isascii():
        return _Phrase(fold(text), starts_word=False, ends_word=False)
    last = text.rsplit(maxsplit=1)[-1]
    return _Phrase(fold(text), starts_word=True, ends_word=len(last) <= 3 and last.isalpha())


def fold(text: str) -> str:
    """Lower case, one kind of apostrophe and blank: what phrases and texts are compared in."""
    folded = unicodedata.normalize("NFC", text).replace("’", "'").replace("İ", "i").lower()
    return " ".join(folded.split())


def check_refusal(chat: Chat) -> list[Finding]:
    """No answer begins with a refusal, and in none the model speaks of itself."""
    found = []
    for part in answers(chat):
        text = fold(part.text)
        hit = _first(chat.language, "refusal", text[:_HEAD]) or _first(chat.language, "ai", text)
        if hit:
            found.append(Finding("refusal", part.where, f"«{hit}»"))
    return found


def check_boilerplate(chat: Chat) -> list[Finding]:
    """No answer opens with «Of course!» or closes with «I hope this helps»."""
    found = []
    for part in answers(chat):
        text = fold(part.text)
        hit = _opening(chat.language, text) or _first(chat.language, "closing", text[-_TAIL:])
        if hit:
            found.append(Finding("boilerplate", part.where, f"«{hit}»"))
    return found


def _first(language: str, kind: str, text: str) -> str | None:
    return next((phrase.text for phrase in _phrases(language, kind) if phrase.found_in(text)), None)


def _opening(language: str, text: str) -> str | None:
    bare = _LEAD.sub("", text)
    phrases = _phrases(language, "opening")
    return next(
        (each.text for each in phrases if text.startswith(each.text) or bare.startswith(each.text)), None
    )

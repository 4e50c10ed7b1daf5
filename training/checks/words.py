"""Counting in forty languages: letters by script, and words where no blanks stand between them."""

from __future__ import annotations

import regex

from model.languages import LANGUAGES

_SCRIPTS = {
    "Latn": r"\p{Latin}",
    "Cyrl": r"\p{Cyrillic}",
    "Arab": r"\p{Arabic}",
    "Hebr": r"\p{Hebrew}",
    "Grek": r"\p{Greek}",
    "Armn": r"\p{Armenian}",
    "Thai": r"\p{Thai}",
    "Deva": r"\p{Devanagari}",
    "Kore": r"\p{Hangul}",
    "Jpan": r"[\p{Han}\p{Hiragana}\p{Katakana}ー]",
    "Hans": r"\p{Han}",
}
_LETTERS = regex.compile(r"\p{L}+")
_IN_SCRIPT = {name: regex.compile(rf"[\p{{L}}&&{each}]+", regex.VERSION1) for name, each in _SCRIPTS.items()}
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:[’'\u200c-][\p{L}\p{M}\p{N}]+)*")
_CHARACTER = regex.compile(r"[\p{L}\p{N}]\p{M}*")

# Letters in a word, on the average, where words are not written apart.
_LETTERS_PER_WORD = {"zh": 1.7, "ja": 2.2, "th": 3.6}


def letters(text: str) -> int:
    """How many letters there are, of any script."""
    return sum(map(len, _LETTERS.findall(text)))


def script_share(text: str, language: str) -> float:
    """The share of letters in the script of this language, from 0 to 1; 1 where there are no letters."""
    total = letters(text)
    if not total:
        return 1.0
    return sum(map(len, _IN_SCRIPT[LANGUAGES[language].script].findall(text))) / total


def is_spaced(language: str) -> bool:
    """Whether words are written apart."""
    return language not in _LETTERS_PER_WORD


def words(text: str) -> list[str]:
    """The words, lower case; a run without blanks (Chinese, Japanese, Thai) is one."""
    return [word.casefold() for word in _WORD.findall(text)]


def units(text: str, language: str) -> list[str]:
    """What repeats when a text repeats itself: words, or letters where words are not written apart."""
    return words(text) if is_spaced(language) else [each.casefold() for each in _CHARACTER.findall(text)]


def count_words(text: str, language: str) -> int:
    """The length in words; where they are not written apart, in letters by a word's average length."""
    return round(len(units(text, language)) / _LETTERS_PER_WORD.get(language, 1))

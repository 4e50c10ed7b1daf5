"""The language of a story's answers: which one is expected, and whether an answer is in it.

The product's rule is that an answer is in the language of the question. So where no member has fixed the thread's
language (`/story language`, or the option of `/story start`), it moves with the last message that is clearly in
another: the answer to that is expected in the new language, and the thread keeps it from there on, until somebody
clearly writes in yet another. Short messages, titles of works and quotations move nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import regex
from babel import Locale, UnknownLocaleError

from bot.database.tables import Conversation, Message, Role
from bot.text.files import FILE_END
from model.catalogue import load_properties
from model.detection import clear_language, detect_language, other_language, prose_of
from model.languages import LANGUAGES

# Characters of a message that are looked at.
_LOOKED_AT = 2000
# How many members' messages back a clear language is looked for.
_LOOK_BACK = 6
# Characters of the new text at which a streaming answer is looked at.
_EARLY = (200, 400, 800)
# A file that came with a message says nothing of the language that its member speaks.
_FILE = regex.compile(r"\[File:.*?" + regex.escape(FILE_END), regex.DOTALL)
# «Harry Potter and the Chamber of Secrets»: words with capitals, small ones between them.
_CAPITALISED = regex.compile(
    r"(?<!\w)\p{Lu}[\p{Ll}'’]+(?:[:,]?\s+(?:(?:of|the|and|a|an|in|to|for|on|at|from|with|de|la|du|von|der)\s+)*"
    r"\p{Lu}[\p{Ll}'’]+)+(?!\w)"
)
_BABEL = {"no": "nb", "zh": "zh_Hans"}


@dataclass(frozen=True)
class Verdict:
    """`written` is the code of the language that a text was found to be in (None: it cannot be told), `expected` the
    one that it should be in; where a member asked for a language by name, that one."""

    expected: str
    written: str | None = None

    @property
    def wrong(self) -> bool:
        """Whether the text is certainly in another language."""
        return self.written is not None and self.written != self.expected


def expected_language(conversation: Conversation, path: Sequence[Message]) -> str:
    """The code of the language that the answer to the last message of `path` is to be in."""
    if conversation.language_fixed:
        return conversation.language
    said = [message.content for message in path if message.role == Role.USER and message.content]
    for text in reversed(said[-_LOOK_BACK:]):
        own_words = without_titles(_FILE.sub(" ", text))
        if (found := clear_language(own_words, conversation.language)) is not None:
            return found
    return conversation.language


def language_of_opening(text: str, prior: str | None) -> str:
    """The code of the language of a story's first message; `prior`, the member's, where the text does not show it."""
    return detect_language(without_titles(text), prior) or prior or "en"


def judge(text: str, expected: str, question: str) -> Verdict:
    """Whether an answer is in the expected language. What cannot be told for certain is in it, and so is another
    language that the member's message names («now in French, please»)."""
    found = other_language(text, expected)
    if found is None:
        return Verdict(expected, expected if detect_language(prose_of(text), expected) == expected else None)
    if found in LANGUAGES and names_language(question, found, expected):
        return Verdict(found, found)
    return Verdict(expected, found)


class LanguageWatch:
    """Looks at one answer that streams in, a few times near its beginning. `begun` is how many characters of it stood
    there before, which are not judged."""

    def __init__(self, expected: str, question: str, *, begun: int = 0) -> None:
        self._expected = expected
        self._question = question
        self._begun = begun
        self._stages = list(_EARLY)
        self._given_up: Verdict | None = None

    def certainly_wrong(self, shown: str) -> bool:
        """Whether what has come so far is in another language beyond doubt."""
        grown = len(shown) - self._begun
        if not self._stages or grown < self._stages[0]:
            return False
        self._stages = [stage for stage in self._stages if stage > grown]
        verdict = self.verdict(shown)
        self._given_up = verdict if verdict.wrong else None
        return verdict.wrong

    def verdict(self, shown: str) -> Verdict:
        """Of the answer as it is now; once it was certainly wrong it stays so, for it is cut off there."""
        return self._given_up or judge(shown[self._begun :], self._expected, self._question)


def names_language(text: str, code: str, spoken: str) -> bool:
    """Whether a text in the language `spoken` names the language `code`, in whatever case and ending."""
    folded = text.casefold()
    return any(stem in folded for stem in _stems(code, spoken))


@cache
def _stems(code: str, spoken: str) -> frozenset[str]:
    language = LANGUAGES[code]
    names = {language.english_name, language.own_name, *(name for name in language.also if len(name) > 3)}
    for reader in {spoken, code, "en"}:
        try:
            names.add(Locale.parse(_BABEL.get(reader, reader)).languages.get(_BABEL.get(code, code), ""))
        except (UnknownLocaleError, ValueError):
            continue
    # Endings change with the case: «французский», «на французском».
    folded = {name.casefold().split(" ")[0].split("(")[0] for name in names if name}
    return frozenset(
        name[: max(4, len(name) - 2)] if len(name) > 5 else name for name in folded if len(name) > 1
    )


def without_titles(text: str) -> str:
    """The beginning of a text, in lower case and without what is written the same in every language: what looks like
    a title or a name by its capitals, and the names of the catalogue's works."""
    folded = _CAPITALISED.sub(" ", text[:_LOOKED_AT]).casefold()
    for name in _names_of_works():
        if name in folded:  # which is quicker than to ask for the word's ends at once
            ends = r"(?<!\w){}(?!\w)" if name.isascii() else "{}"
            folded = regex.sub(ends.format(regex.escape(name)), " ", folded)
    return folded


@cache
def _names_of_works() -> tuple[str, ...]:
    """The names of all works, the longest first. Short ones are words as well."""
    works = [work for code in LANGUAGES for work in load_properties(code)]
    names = {name.casefold() for work in works for name in (work.english_name, work.local_name)}
    long_enough = (name for name in names if len(name) > (3 if name.isascii() else 1))
    return tuple(sorted(long_enough, key=len, reverse=True))

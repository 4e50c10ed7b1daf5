"""The words that the bot itself says, in the language of who reads them: gettext catalogues (`locales/*.po`) read
with Babel, so no compile step. English is in the code; `make words` collects it.

In code: `words.say("Hello, {name}.", name=…)`, `words.plural("{n} word", "{n} words", n)`, and `to_say("…")` around a
constant that is translated later.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_timedelta
from babel.lists import format_list
from babel.numbers import format_decimal

from bot.words.compiled import read_catalogue
from bot.words.direction import filled, from_the_right, inside
from model.languages import LANGUAGES, Language, language_for_locale

LOCALES = Path(__file__).parent / "locales"
# Discord's locales that Babel or we write otherwise.
_BABEL_NAMES = {"no": "nb", "zh": "zh_Hans", "sr": "sr_Cyrl"}


def to_say(text: str) -> str:
    """The text itself; tells the extraction that it is to be translated where it is used."""
    return text


class Words:
    """What the bot says, in one language."""

    def __init__(self, language: Language, translations: gettext.NullTranslations) -> None:
        self.language = language
        self._translations = translations
        self._locale = Locale.parse(_BABEL_NAMES.get(language.code, language.code))
        self.right_to_left = language.direction == "rtl"

    def say(self, message: str, /, **values: object) -> str:
        """The sentence, with its `{placeholders}` filled, and isolated where they read in another direction."""
        return filled(self._translations.gettext(message), values, right_to_left=self.right_to_left)

    def plural(self, one: str, many: str, n: int, /, **values: object) -> str:
        """The sentence in the form that the number asks for; `{n}` is the number, written the language's way."""
        form = self._translations.ngettext(one, many, n)
        return filled(form, {"n": self.number(n), **values}, right_to_left=self.right_to_left)

    def inside(self, text: str) -> str:
        """A name or a title as a part of a line that is put together by hand: isolated where it must be."""
        return inside(text, right_to_left=self.right_to_left)

    def line(self, text: str) -> str:
        """A line that begins with a mention or a name, in the language's direction all the same."""
        return from_the_right(text) if self.right_to_left else text

    def number(self, value: float) -> str:
        """A number with the language's separators and digits."""
        return format_decimal(value, locale=self._locale)

    def listed(self, items: Iterable[str]) -> str:
        """The items as the language joins them: «A, B and C»."""
        return format_list([self.inside(item) for item in items], locale=self._locale)

    def span(self, seconds: float) -> str:
        """A rounded length of time: «20 seconds», «3 minutes»."""
        rounded = max(1, round(seconds)) if seconds < 60 else round(seconds / 60) * 60
        return format_timedelta(rounded, locale=self._locale, threshold=1.5)

    def language_name(self, language: Language) -> str:
        """What a language is called in this one: «Finnish», «Finnisch», «suomi»."""
        code = _BABEL_NAMES.get(language.code, language.code).split("_")[0]
        return str(self._locale.languages.get(code, language.english_name))

    def known(self, message: str) -> str | None:
        """The translation of a message without placeholders, or None where this catalogue lacks it."""
        translated = self._translations.gettext(message)
        return translated if translated != message else None


def catalogue_path(code: str) -> Path:
    """Where the catalogue of a language lies."""
    return LOCALES / f"{code}.po"


def _load(code: str) -> gettext.NullTranslations:
    path = catalogue_path(code)
    return read_catalogue(path, _BABEL_NAMES.get(code, code)) if path.exists() else gettext.NullTranslations()


@cache
def words_in(code: str) -> Words:
    """The words in one of the forty languages; English stands in for what its catalogue lacks."""
    return Words(LANGUAGES[code], _load(code))


def words_for(locale: str | None) -> Words:
    """The words for a Discord locale such as `pt-BR`; English for one that we do not know."""
    language = language_for_locale(locale) if locale else None
    return words_in(language.code if language else "en")

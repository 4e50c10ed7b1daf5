"""The words that the bot itself says, in the language of who reads them: gettext catalogues (`locales/*.po`) read
with Babel, so no compile step. English is in the code; `make words` collects it.

In code: `words.say("Hello, {name}.", name=…)`, `words.plural("{n} word", "{n} words", n)`, and `to_say("…")` around a
constant that is translated later.
"""

from __future__ import annotations

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

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

    def say(self, message: str, /, **values: object) -> str:
        """The sentence, with its `{placeholders}` filled."""
        return self._translations.gettext(message).format(**values)

    def plural(self, one: str, many: str, n: int, /, **values: object) -> str:
        """The sentence in the form that the number asks for; `{n}` is the number, written the language's way."""
        return self._translations.ngettext(one, many, n).format(n=self.number(n), **values)

    def number(self, value: float) -> str:
        """A number with the language's separators and digits."""
        return format_decimal(value, locale=self._locale)

    def span(self, seconds: float) -> str:
        """A rounded length of time: «20 seconds», «3 minutes»."""
        rounded = max(1, round(seconds)) if seconds < 60 else round(seconds / 60) * 60
        return format_timedelta(rounded, locale=self._locale, threshold=1.5)

    def known(self, message: str) -> str | None:
        """The translation of a message without placeholders, or None where this catalogue lacks it."""
        translated = self._translations.gettext(message)
        return translated if translated != message else None


def catalogue_path(code: str) -> Path:
    """Where the catalogue of a language lies."""
    return LOCALES / f"{code}.po"


def _load(code: str) -> gettext.NullTranslations:
    path = catalogue_path(code)
    if not path.exists():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=_BABEL_NAMES.get(code, code))
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def words_in(code: str) -> Words:
    """The words in one of the forty languages; English stands in for what its catalogue lacks."""
    return Words(LANGUAGES[code], _load(code))


def words_for(locale: str | None) -> Words:
    """The words for a Discord locale such as `pt-BR`; English for one that we do not know."""
    language = language_for_locale(locale) if locale else None
    return words_in(language.code if language else "en")

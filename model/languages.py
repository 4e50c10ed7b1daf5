"""The forty languages FanFabler speaks.

The table is `model/catalogue/languages.yaml`; nothing else decides which languages there are, how they are
called, or which host of Wikipedia is theirs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import yaml

from model.errors import CatalogueError

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True, slots=True)
class Language:
    """One of the forty.

    `code` is Wikipedia's (`no` is Bokmål), `script` is ISO 15924, `own_name` is what its speakers call it,
    `discord_locales` are the Discord locales that mean it (often none), `also` further codes and names.
    """

    code: str
    english_name: str
    own_name: str
    script: str
    direction: Direction
    discord_locales: tuple[str, ...]
    also: tuple[str, ...]

    @property
    def wikipedia_host(self) -> str:
        return f"{self.code}.wikipedia.org"


def _read_table() -> dict[str, Language]:
    source = files("model").joinpath("catalogue", "languages.yaml").read_text(encoding="utf-8")
    # libyaml's loader takes a few milliseconds, the pure Python one most of a tenth of a second.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(source, Loader=loader)  # noqa: S506 (both are safe loaders)
    try:
        return {
            code: Language(
                code=code,
                english_name=row["english"],
                own_name=row["own"],
                script=row["script"],
                direction=row.get("direction", "ltr"),
                discord_locales=tuple(row.get("locales", ())),
                also=tuple(row.get("also", ())),
            )
            for code, row in rows.items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise CatalogueError(f"languages.yaml is malformed: {error!r}") from error


LANGUAGES: Mapping[str, Language] = MappingProxyType(_read_table())
"""Code → language, in the order in which languages are shown."""


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


@cache
def _names() -> dict[str, Language]:
    """Every folded code and name → language. Codes win over names, and earlier languages over later ones."""
    names: dict[str, Language] = {}
    for language in LANGUAGES.values():
        names[language.code] = language
    for language in LANGUAGES.values():
        for name in (language.english_name, language.own_name, *language.also, *language.discord_locales):
            names.setdefault(_fold(name), language)
    return names


def find_language(text: str) -> Language | None:
    """The language that a code or name means, or None.

    Takes Wikipedia's codes, ISO 639-2 and -3 codes, older and common other codes (nb, iw, in, cn …), any of
    them with script or region after it (`zh-Hans`, `pt_BR`), English names and the language's own name, in
    any case.
    """
    folded = _fold(text)
    if not folded:
        return None
    found = _names().get(folded)
    if found is None and (tag := re.fullmatch(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})+", folded)):
        found = _names().get(tag.group(1))
    return found


def language_for_locale(discord_locale: str) -> Language | None:
    """The language of one of Discord's locales (`sv-SE`, `es-419`); None where it is none of the forty."""
    return find_language(discord_locale)

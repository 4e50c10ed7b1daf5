"""Choosing one of the forty languages in a command."""

from __future__ import annotations

from discord import app_commands

from bot.conversations.errors import UnknownLanguage
from bot.words import Words
from model.languages import LANGUAGES, Language, find_language

_CHOICES = 25


def language_choices(current: str, words: Words) -> list[app_commands.Choice[str]]:
    """What has been typed so far, found in own names, the reader's and English names, further ones and codes; first
    what begins so. Discord shows 25 at most, so that forty need some letters."""
    return [
        app_commands.Choice(name=_shown(language, words), value=language.code)
        for language in _found(current, words)[:_CHOICES]
    ]


def named_language(typed: str, words: Words) -> Language:
    """The language that is called so, else the first that would have been suggested for it: who presses Enter on a
    half-typed name means that one.

    Raises:
        UnknownLanguage: none is.
    """
    found = [*filter(None, [find_language(typed)]), *_found(typed, words)]
    if not found or not typed.strip():
        raise UnknownLanguage
    return found[0]


def _found(typed: str, words: Words) -> list[Language]:
    folded = typed.strip().casefold()

    def place(language: Language) -> int | None:
        names = (language.own_name, words.language_name(language), language.english_name)
        if any(name.casefold().startswith(folded) for name in names):
            return 0
        if any(folded in name.casefold() for name in names) or folded == language.code:
            return 1
        # Among those are codes, of which two letters are part of too many.
        return 2 if any(folded == name or _begins(name, folded) for name in language.also) else None

    places = {code: at for code, language in LANGUAGES.items() if (at := place(language)) is not None}
    return [LANGUAGES[code] for code in sorted(places, key=places.__getitem__)]


def _begins(name: str, folded: str) -> bool:
    return len(name) > 3 and name.casefold().startswith(folded)


def _shown(language: Language, words: Words) -> str:
    name = words.language_name(language)
    return (
        language.own_name
        if name.casefold() == language.own_name.casefold()
        else f"{language.own_name} · {name}"
    )

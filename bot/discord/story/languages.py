"""Choosing one of the forty languages in a command."""

from __future__ import annotations

from discord import app_commands

from model.languages import LANGUAGES, Language

_CHOICES = 25


def language_choices(current: str) -> list[app_commands.Choice[str]]:
    """What has been typed so far, found in own names, English names and codes. Discord shows 25 at most, so that
    forty need some letters."""
    typed = current.strip().casefold()
    found = [
        language
        for language in LANGUAGES.values()
        if typed in language.own_name.casefold()
        or typed in language.english_name.casefold()
        or typed == language.code
    ]
    return [app_commands.Choice(name=_name(language), value=language.code) for language in found[:_CHOICES]]


def _name(language: Language) -> str:
    if language.own_name == language.english_name:
        return language.own_name
    return f"{language.own_name} · {language.english_name}"

"""The table of languages, and what finds its way into it."""

from __future__ import annotations

import discord
import pytest

from model.languages import LANGUAGES, find_language, language_for_locale

IN_ORDER = (
    "en de fr sv nl ru es it pl zh ja uk vi ar pt fa ca sr id ko no tr fi cs hu ro eu ms he hy da bg sk et el hr lt th"
    " hi sw"
)


def test_there_are_forty_in_the_order_of_the_editions() -> None:
    assert list(LANGUAGES) == IN_ORDER.split()


def test_a_language_knows_its_name_script_direction_and_host() -> None:
    hebrew = LANGUAGES["he"]
    assert (hebrew.english_name, hebrew.own_name) == ("Hebrew", "עברית")
    assert (hebrew.script, hebrew.direction) == ("Hebr", "rtl")
    assert hebrew.wikipedia_host == "he.wikipedia.org"
    assert {code for code, each in LANGUAGES.items() if each.direction == "rtl"} == {"ar", "fa", "he"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nb", "no"), ("no", "no"), ("zh-cn", "zh"), ("zh-Hans", "zh"), ("zh_TW", "zh"), ("iw", "he"), ("in", "id"),
        ("pt_BR", "pt"), ("es-419", "es"), ("EN-us", "en"), ("deu", "de"), ("ger", "de"), ("cmn", "zh"),
        ("Korean", "ko"), ("한국어", "ko"), ("suomi", "fi"), (" SVENSKA ", "sv"), ("farsi", "fa"), ("中文", "zh"),
        ("Bahasa Melayu", "ms"), ("norwegian bokmål", "no"), ("ｅｎ", "en"), ("sr-Cyrl", "sr"),
    ],
)  # fmt: skip
def test_a_language_is_found_by_code_alias_or_name(text: str, code: str) -> None:
    found = find_language(text)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize("text", ["", " ", "tlh", "xx-en", "klingon", "..", "en/../de", "la"])
def test_nothing_else_is_a_language(text: str) -> None:
    assert find_language(text) is None


def test_every_code_and_name_finds_its_own_language() -> None:
    for code, language in LANGUAGES.items():
        for name in (code, language.english_name, language.own_name, *language.also):
            found = find_language(name)
            assert found is language, name


def test_every_discord_locale_means_one_of_the_forty() -> None:
    for locale in discord.Locale:
        found = language_for_locale(locale.value)
        assert found is not None, locale
        assert locale.value in found.discord_locales


def test_no_locale_is_listed_that_discord_does_not_have() -> None:
    known = {locale.value for locale in discord.Locale}
    assert {locale for each in LANGUAGES.values() for locale in each.discord_locales} <= known

"""The message catalogues: complete, true to their placeholders, and fit for Discord."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from discord import app_commands

from bot.discord.story import StoryCog
from bot.words import LOCALES, words_for, words_in
from bot.words.collect import main
from model.languages import LANGUAGES

CATALOGUES = sorted(LOCALES.glob("*.po"))
COMMAND_NAME = re.compile(r"^[-_'\w]{1,32}$")


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def messages(path: Path) -> list[Message]:
    return [message for message in read(path) if message.id]


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_template_and_catalogues_are_what_the_code_says() -> None:
    assert main(["--check"]) == 0, "run `make words`"


def test_there_is_a_catalogue_besides_english() -> None:
    assert "de" in {path.stem for path in CATALOGUES}
    assert {path.stem for path in CATALOGUES} <= set(LANGUAGES)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_nothing_is_left_untranslated(path: Path) -> None:
    assert [message.id for message in messages(path) if not all(forms(message.string))] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_translations_keep_their_placeholders(path: Path) -> None:
    for message in messages(path):
        wanted = placeholders(forms(message.id)[-1])
        for form in forms(message.string):
            assert placeholders(form) == wanted, message.id


def command_texts(code: str) -> list[tuple[str, str]]:
    """Every name and description that Discord gets, with its kind, in one language."""
    words = words_in(code)
    found: list[tuple[str, str]] = []

    def add(kind: str, text: app_commands.locale_str | str) -> None:
        found.append((kind, words.say(str(text))))

    def walk(command: app_commands.Group | app_commands.Command) -> None:  # type: ignore[type-arg]
        add("name", command._locale_name or command.name)
        add("description", command._locale_description or command.description)
        if isinstance(command, app_commands.Group):
            for child in command.commands:
                walk(child)
        else:
            for parameter in command.parameters:
                add("name", parameter.locale_name or parameter.name)
                add("description", parameter.locale_description or str(parameter.description))
                for choice in parameter.choices:
                    add("choice", choice.name)

    for command in StoryCog.__cog_app_commands__:
        walk(command)
    return found


@pytest.mark.parametrize("code", [*(path.stem for path in CATALOGUES), "en"])
def test_command_texts_fit_discords_rules(code: str) -> None:
    texts = command_texts(code)
    assert len(texts) > 10
    for kind, text in texts:
        if kind == "name":
            assert COMMAND_NAME.match(text), text
            assert text == text.lower()
        else:
            assert 1 <= len(text) <= 100, text


def test_a_locale_without_a_catalogue_reads_english() -> None:
    assert words_for("ja").say("Stop") == "Stop"
    assert words_for("xx").say("Stop") == "Stop"
    assert words_for(None).say("Stop") == "Stop"


def test_german_is_spoken_to_germans() -> None:
    words = words_for("de")
    assert words.say("Stop") == "Stopp"
    assert words.plural("{n} request is waiting.", "{n} requests are waiting.", 1) == "1 Anfrage wartet."
    assert (
        words.plural("{n} request is waiting.", "{n} requests are waiting.", 1200) == "1.200 Anfragen warten."
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 second"), (42, "42 seconds"), (200, "3 minutes")])
def test_lengths_of_time_are_rounded(seconds: float, text: str) -> None:
    assert words_in("en").span(seconds) == text


@pytest.mark.parametrize("code", LANGUAGES)
def test_numbers_and_times_can_be_said_in_all_forty(code: str) -> None:
    words = words_in(code)
    assert words.number(12)
    assert words.span(90)

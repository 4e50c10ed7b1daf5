"""The message catalogues: complete, true to their placeholders, and fit for Discord."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path
from string import Formatter
from unittest.mock import Mock

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from discord import app_commands

from bot.discord.admin import AdminCog
from bot.discord.canon_command import CanonCog
from bot.discord.general import GeneralCog
from bot.discord.operator import OperatorCog
from bot.discord.permissions import PERMISSIONS
from bot.discord.privacy import PrivacyCog
from bot.discord.story import StoryCog
from bot.discord.welcome_checklist import permission_name
from bot.words import LOCALES, words_for, words_in
from bot.words.collect import main
from model.languages import LANGUAGES

CATALOGUES = sorted(LOCALES.glob("*.po"))
UNKNOWN_TO_DISCORD = [code for code, language in LANGUAGES.items() if not language.discord_locales]
# What stands in bold: a command, the way through Discord's menus, an option.
SHOWN_BY_DISCORD = re.compile(r"\*\*(/[^*]+|[^*]+ › [^*]+|[a-z_-]+)\*\*")
COMMAND_NAME = re.compile(r"^[-_'\w\u0900-\u097f\u0e00-\u0e7f]{1,32}$")


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


def test_there_is_a_catalogue_for_every_language_but_english() -> None:
    assert {path.stem for path in CATALOGUES} == set(LANGUAGES) - {"en"}


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

    for cog in (AdminCog, CanonCog, GeneralCog, OperatorCog, PrivacyCog, StoryCog):
        for command in cog.__cog_app_commands__:
            walk(command)
    return found


def message_commands(code: str) -> list[str]:
    """The names that stand in a message's menu, under «Apps», in one language."""
    client = Mock()
    asyncio.run(StoryCog(client, Mock()).cog_load())
    added = [call.args[0] for call in client.tree.add_command.call_args_list]
    return [words_in(code).say(str(command._locale_name or command.name)) for command in added]


Command = app_commands.Group | app_commands.Command  # type: ignore[type-arg]


def siblings(code: str) -> list[list[str]]:
    """The names that stand side by side: subcommands of a group, options of a command."""
    words = words_in(code)
    found: list[list[str]] = []

    def walk(commands: Iterable[Command]) -> None:
        for command in commands:
            below = command.commands if isinstance(command, app_commands.Group) else command.parameters
            named = [
                getattr(each, "_locale_name", None) or getattr(each, "locale_name", None) or each.name
                for each in below
            ]
            found.append([words.say(str(name)) for name in named])
            if isinstance(command, app_commands.Group):
                walk(command.commands)

    for cog in (AdminCog, CanonCog, GeneralCog, OperatorCog, PrivacyCog, StoryCog):
        walk(cog.__cog_app_commands__)
        found.append([words.say(str(c._locale_name or c.name)) for c in cog.__cog_app_commands__])
    return found


@pytest.mark.parametrize("code", [*(path.stem for path in CATALOGUES), "en"])
def test_no_two_names_side_by_side_are_the_same(code: str) -> None:
    assert [names for names in siblings(code) if len(set(names)) < len(names)] == []


@pytest.mark.parametrize("code", UNKNOWN_TO_DISCORD)
def test_without_a_discord_locale_names_are_those_that_discord_shows(code: str) -> None:
    def names(of: str) -> list[str]:
        return [text for kind, text in command_texts(of) if kind == "name"] + message_commands(of)

    assert names(code) == names("en")


@pytest.mark.parametrize("code", UNKNOWN_TO_DISCORD)
def test_without_a_discord_locale_texts_name_what_discord_shows(code: str) -> None:
    # Commands and options by their English names, Discord's menus by theirs.
    for message in messages(LOCALES / f"{code}.po"):
        wanted = sorted(SHOWN_BY_DISCORD.findall(forms(message.id)[-1]))
        for form in forms(message.string):
            assert sorted(SHOWN_BY_DISCORD.findall(form)) == wanted, message.id
    for permission, needed in PERMISSIONS:
        if needed:
            english = permission_name(words_in("en"), permission)
            assert permission_name(words_in(code), permission) == english


def test_no_words_hide_in_an_f_string() -> None:
    # Babel does not look into those, so they would be English for ever.
    hidden = re.compile(r"""f["'].*\{[^}]*words\.(say|plural)\(""")
    found = [
        f"{path.name}:{number}"
        for path in LOCALES.parents[1].rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if hidden.search(line)
    ]
    assert found == []


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

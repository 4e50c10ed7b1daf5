"""Registering commands: upserts, scopes, names, translations, limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.discord_server import DiscordServer
from tests.discord_server.rules.command_form import command_size, is_name

from .conftest import Api, Connect, Scene


@pytest.fixture
def path(discord: DiscordServer) -> str:
    return f"/applications/{discord.application.id}/commands"


def command(name: str = "story", **changes: Any) -> dict[str, Any]:
    return {"name": name, "description": "Stories", **changes}


def option(name: str = "prompt", kind: int = 3, **changes: Any) -> dict[str, Any]:
    return {"name": name, "description": "What about", "type": kind, **changes}


async def test_the_library_registers_its_tree(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    await connect()
    names = [c["name"] for c in discord.application.commands()]
    assert names == ["story", "look", "slow", "twice", "manage", "Write about this", "Greet"]


async def test_bulk_overwrite_keeps_ids_and_removes_the_rest(
    discord: DiscordServer, api: Api, path: str
) -> None:
    first = (await api("PUT", path, [command("a"), command("b")])).body
    second = (await api("PUT", path, [command("b", description="New"), command("c")])).body
    assert second[0]["id"] == first[1]["id"]
    assert second[0]["version"] != first[1]["version"]
    unchanged = (await api("PUT", path, [command("b", description="New")])).body
    assert unchanged[0]["version"] == second[0]["version"]
    assert [c["name"] for c in (await api("GET", path)).body] == ["b"]


async def test_single_commands_are_created_changed_and_deleted(api: Api, path: str) -> None:
    created = await api("POST", path, command())
    assert created.status == 201
    assert (await api("POST", path, command(description="Again"))).status == 200
    one = f"{path}/{created.body['id']}"
    changed = await api("PATCH", one, {"options": [option()]})
    assert changed.body["description"] == "Again"
    assert changed.body["options"][0]["name"] == "prompt"
    assert (await api("DELETE", one)).status == 204
    assert (await api("GET", one)).code == 10063


async def test_guild_commands_are_a_scope_of_their_own(
    discord: DiscordServer, scene: Scene, api: Api, path: str
) -> None:
    await api("PUT", path, [command()])
    guild_path = path.replace("/commands", f"/guilds/{scene.guild.id}/commands")
    answer = await api("PUT", guild_path, [command("train")])
    assert answer.body[0]["guild_id"] == str(scene.guild.id)
    assert [c["name"] for c in discord.application.commands()] == ["story"]
    assert [c["name"] for c in discord.application.commands(scene.guild.id)] == ["train"]
    permissions = f"{guild_path}/{answer.body[0]['id']}/permissions"
    assert (await api("GET", permissions)).code == 10066
    elsewhere = discord.create_guild("Elsewhere", bot=False)
    assert (await api("PUT", guild_path.replace(str(scene.guild.id), str(elsewhere.id)), [])).code == 50001


@pytest.mark.parametrize(
    ("definition", "where", "code"),
    [
        (command("Story"), ["name"], "APPLICATION_COMMAND_INVALID_NAME"),
        (command("two words"), ["name"], "APPLICATION_COMMAND_INVALID_NAME"),
        (command("x" * 33), ["name"], "BASE_TYPE_BAD_LENGTH"),
        (command(description=""), ["description"], "BASE_TYPE_BAD_LENGTH"),
        (command(description="x" * 101), ["description"], "BASE_TYPE_BAD_LENGTH"),
        (
            command(name_localizations={"de": "Mit Leerzeichen"}),
            ["name_localizations", "de"],
            "APPLICATION_COMMAND_INVALID_NAME",
        ),
        (command(name_localizations={"sw": "hadithi"}), ["name_localizations", "sw"], "BASE_TYPE_CHOICES"),
        (
            command(description_localizations={"ko": "이" * 101}),
            ["description_localizations", "ko"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (command(options=[option(str(n)) for n in range(26)]), ["options"], "BASE_TYPE_MAX_LENGTH"),
        (
            command(options=[option(), option()]),
            ["options"],
            "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
        ),
        (
            command(options=[option("a"), option("b", required=True)]),
            ["options", "1"],
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        (
            command(options=[option("a", 1), option("b")]),
            ["options"],
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
        ),
        (
            command(options=[option("a", 1, options=[option("b", 1)])]),
            ["options", "0", "options", "0", "type"],
            "BASE_TYPE_CHOICES",
        ),
        (
            command(options=[option(choices=[{"name": "n", "value": "v"}] * 26)]),
            ["options", "0", "choices"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            command(options=[option(autocomplete=True, choices=[{"name": "n", "value": "v"}])]),
            ["options", "0"],
            "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE",
        ),
        (
            {"type": 3, "name": "Write about this", "description": "no"},
            ["description"],
            "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_CANNOT_BE_SET",
        ),
    ],
)
async def test_wrong_commands_are_refused(
    api: Api, path: str, definition: dict[str, Any], where: list[str], code: str
) -> None:
    answer = await api("PUT", path, [definition])
    assert (answer.status, answer.code) == (400, 50035)
    node = answer.body["errors"]["0"]
    for key in where:
        node = node[key]
    assert code in [error["code"] for error in node["_errors"]]
    assert (await api("GET", path)).body == []


async def test_duplicates_and_too_many_are_refused(api: Api, path: str) -> None:
    twice = await api("PUT", path, [command(), command()])
    assert "APPLICATION_COMMANDS_DUPLICATE_NAME" in str(twice.body)
    menus = [{"type": 3, "name": f"menu {n}"} for n in range(16)]
    assert (await api("PUT", path, menus)).code == 30032
    assert (await api("PUT", path, menus[:15])).status == 200


async def test_a_command_has_eight_thousand_characters_at_most(api: Api, path: str) -> None:
    choices = [{"name": "n" * 99, "value": str(n).rjust(99)} for n in range(25)]
    large = command(options=[option(f"o{n}", choices=choices) for n in range(2)])
    assert command_size(large) > 8000
    answer = await api("PUT", path, [large])
    assert "APPLICATION_COMMAND_TOO_LARGE" in str(answer.body)
    translated = command(description_localizations={"de": "x" * 50, "fr": "y" * 60})
    assert command_size(translated) == len("story") + 60


async def test_two_hundred_creates_a_day(discord: DiscordServer, api: Api, path: str) -> None:
    discord.limits.switch_off()
    for batch in range(4):
        names = [command(f"c{batch}-{n}") for n in range(50)]
        assert (await api("PUT", path, names)).status == 200
    assert (await api("POST", path, command("one-more"))).code == 30034
    discord.clock.advance(86_400)
    assert (await api("POST", path, command("one-more"))).status == 201


@pytest.mark.parametrize("name", ["story", "größe", "이야기", "कहानी", "เรื่อง", "物語", "it's_2-me"])
def test_names_in_all_scripts(name: str) -> None:
    assert is_name(name)


@given(st.text(max_size=40))
def test_no_name_has_spaces_capitals_or_is_too_long(text: str) -> None:
    if is_name(text):
        assert 1 <= len(text) <= 32
        assert text == text.lower()
        assert not any(character.isspace() or character in "/<>@#" for character in text)

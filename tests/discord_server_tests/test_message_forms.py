"""What a message may hold, and Discord's nested errors for what it may not."""

from __future__ import annotations

import discord as library
import pytest

from tests.discord_server import DiscordServer

from .conftest import Api, Connect, Scene


@pytest.fixture(autouse=True)
def no_limits(discord: DiscordServer) -> None:
    discord.limits.switch_off()


@pytest.mark.parametrize(
    ("body", "where", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": 5}, ["content"], "STRING_TYPE_CONVERT"),
        ({"content": "x", "nonce": "n" * 26}, ["nonce"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"title": "t"}] * 11}, ["embeds"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"title": "t" * 257}]}, ["embeds", "0", "title"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "d" * 4097}]}, ["embeds", "0", "description"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{}]}, ["embeds", "0", "description"], "BASE_TYPE_REQUIRED"),
        (
            {"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]},
            ["embeds", "0", "fields"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"embeds": [{"fields": [{"name": "n", "value": ""}]}]},
            ["embeds", "0", "fields", "0", "value"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"embeds": [{"description": "d" * 3001}, {"description": "d" * 3000}]},
            ["embeds", "1"],
            "MAX_EMBED_SIZE_EXCEEDED",
        ),
        (
            {"embeds": [{"title": "t", "url": "ftp://x"}]},
            ["embeds", "0", "url"],
            "URL_TYPE_INVALID_SCHEME",
        ),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            ["allowed_mentions"],
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        (
            {"content": "x", "message_reference": {"message_id": "1"}},
            ["message_reference"],
            "REPLIES_UNKNOWN_MESSAGE",
        ),
    ],
)
async def test_wrong_bodies_are_told_apart_in_discords_error_form(
    scene: Scene, api: Api, body: object, where: list[str], code: str
) -> None:
    answer = await api("POST", f"/channels/{scene.channel.id}/messages", body)
    assert (answer.status, answer.code, answer.body["message"]) == (400, 50035, "Invalid Form Body")
    node = answer.body["errors"]
    for key in where:
        node = node[key]
    assert code in [error["code"] for error in node["_errors"]]
    assert scene.channel.messages == []


async def test_the_limit_of_content_is_exact(scene: Scene, api: Api) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    assert (await api("POST", path, {"content": "字" * 2000})).status == 200
    assert (await api("POST", path, {"content": "   "})).code == 50006
    assert (await api("POST", path, {})).code == 50006


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([{"type": 1, "components": []}], "BASE_TYPE_BAD_LENGTH"),
        ([{"type": 2, "style": 1, "label": "x", "custom_id": "a"}], "UNION_TYPE_CHOICES"),
        ([{"type": 1, "components": [{"type": 2, "style": 1, "label": "x"}]}], "BASE_TYPE_REQUIRED"),
        (
            [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x" * 81, "custom_id": "a"}]}],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "a"}] * 2}],
            "COMPONENT_CUSTOM_ID_DUPLICATED",
        ),
        (
            [
                {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": str(n)}]}
                for n in range(6)
            ],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            [
                {
                    "type": 1,
                    "components": [
                        {
                            "type": 3,
                            "custom_id": "m",
                            "options": [{"label": str(n), "value": str(n)} for n in range(26)],
                        }
                    ],
                }
            ],
            "BASE_TYPE_BAD_LENGTH",
        ),
    ],
)
async def test_wrong_components_are_refused(scene: Scene, api: Api, components: object, code: str) -> None:
    body = {"content": "x", "components": components}
    answer = await api("POST", f"/channels/{scene.channel.id}/messages", body)
    assert answer.code == 50035
    assert f"'code': '{code}'" in str(answer.body["errors"])


async def test_layout_views_are_taken_and_exclude_content(scene: Scene, connect: Connect, api: Api) -> None:
    bot = await connect()
    view = library.ui.LayoutView()
    view.add_item(library.ui.Container(library.ui.TextDisplay(f"<@{scene.alice.id}> hello")))
    channel = bot.get_partial_messageable(scene.channel.id)
    await channel.send(view=view, allowed_mentions=library.AllowedMentions(users=True))
    message = scene.channel.messages[0]
    assert message.components[-1]["content"].endswith("hello")
    assert message.mentions == [scene.alice]
    body = {"content": "x", "flags": 1 << 15, "components": []}
    answer = await api("POST", f"/channels/{scene.channel.id}/messages", body)
    assert "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2" in str(answer.body)

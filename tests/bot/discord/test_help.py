"""`/help` as members, admins and operators meet it, and its pages in every language within Discord's limits."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from simcord import InteractionResult, ResponseMessage

from bot.database.connection import Database
from bot.discord.command_mentions import CommandMentions
from bot.discord.help_controls import help_controls
from bot.discord.help_pages import Reader, Topic, help_page, title, topics
from bot.discord.replies import whisper
from bot.words import words_in
from bot.words.direction import ISOLATE, POP
from model.catalogue import load_properties
from model.engine.fake import FakeEngine
from model.languages import LANGUAGES
from tests.bot.discord.known_commands import LONGEST_ID, commands_with, known_mentions
from tests.bot.world import World, open_world

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ADA, BEN = 0, 1
RIGHT_TO_LEFT = [code for code, language in LANGUAGES.items() if language.direction == "rtl"]


def reader(code: str, mentions: CommandMentions | None = None) -> Reader:
    return Reader(words_in(code), mentions or known_mentions(), None, f"<@{LONGEST_ID}>")


def text_of(embed: discord.Embed) -> str:
    return "\n".join(
        [embed.title or "", embed.description or "", *(f"{f.name}\n{f.value}" for f in embed.fields)]
    )


class Help:
    """An answer to `/help`, and what is done with its controls."""

    def __init__(self, world: World, message: ResponseMessage) -> None:
        self.world = world
        self.message = message

    @property
    def _stored(self) -> Any:
        return self.world.env.backend.messages[self.message.channel_id][self.message.id]

    @property
    def embed(self) -> discord.Embed:
        (embed,) = self._stored.embeds
        return discord.Embed.from_dict(embed)

    @property
    def controls(self) -> list[dict[str, Any]]:
        return [item for row in self._stored.components for item in row["components"]]

    @property
    def offered(self) -> list[str]:
        """The topics that the select offers."""
        (select,) = [item for item in self.controls if "options" in item]
        return [option["value"] for option in select["options"]]

    def button(self, emoji: str) -> dict[str, Any]:
        return next(item for item in self.controls if (item.get("emoji") or {}).get("name") == emoji)

    async def press(self, emoji: str, member: int = ADA) -> InteractionResult:
        return await self.world.members[member].click(self.message, custom_id=self.button(emoji)["custom_id"])

    async def choose(self, topic: str, member: int = ADA) -> InteractionResult:
        return await self.world.members[member].select(self.message, [topic], custom_id="fhs:topic")

    async def shows(self, heading: str) -> None:
        await self.world.until(lambda: heading in (self.embed.title or ""))


async def ask(world: World, member: int = ADA, **options: str) -> Help:
    result = await world.members[member].slash(world.channel, "help", **options)
    assert result.response is not None
    assert result.ephemeral
    return Help(world, result.response)


@sqlite
async def test_a_member_turns_the_pages_with_buttons_and_a_select(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        shown = await ask(world, BEN)
        assert "Begin a story" in (shown.embed.title or "")
        assert shown.button("◀️")["disabled"]
        await shown.press("▶️", BEN)
        await shown.shows("Go on, again, branch, stop")
        assert "Reply to an older answer" in text_of(shown.embed)
        await shown.choose("privacy", BEN)
        await shown.shows("Privacy and limits")
        assert shown.button("▶️")["disabled"], "it is the last one for a member"
        await shown.press("◀️", BEN)
        await shown.shows("Take a story with you")


@sqlite
async def test_commands_can_be_clicked_on_once_discord_has_said_their_ids(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        ids = {command.name: command.id for command in await world.bot.tree.fetch_commands()}
        shown = await ask(world, topic="start")
        assert f"</story start:{ids['story']}>" in text_of(shown.embed)
        await shown.choose("privacy")
        await shown.shows("Privacy")
        assert f"</privacy training-consent:{ids['privacy']}>" in text_of(shown.embed)
        assert f"</queue:{ids['queue']}>" in text_of(shown.embed)


@sqlite
async def test_pages_for_admins_and_operators_are_for_them_alone(database: Database) -> None:
    async with open_world(database, FakeEngine(), operators=True) as world:
        member = await ask(world, BEN)
        assert not {"admins", "operators"} & set(member.offered)
        owner = await ask(world, ADA)
        assert owner.offered == [topic.value for topic in Topic]
        await owner.choose("operators")
        await owner.shows("For those who run me")
        guild_ids = await world.bot.tree.fetch_commands(guild=discord.Object(world.channel.guild.id))
        assert f"</admin train start:{guild_ids[0].id}>" in text_of(owner.embed), "the server's own command"
        # A client that asks for what it was not offered.
        forged = await ask(world, BEN, topic="operators")
        assert "Begin a story" in (forged.embed.title or "")


@sqlite
async def test_who_manages_the_server_no_more_is_led_back_to_the_first_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database, FakeEngine()) as world:
        shown = await ask(world, ADA)
        assert "admins" in shown.offered
        assert "operators" not in shown.offered
        await shown.choose("admins")
        await shown.shows("For those who manage this server")
        monkeypatch.setattr(discord.Interaction, "permissions", discord.Permissions.none())
        await shown.choose("admins")
        await shown.shows("Begin a story")
        assert "admins" not in shown.offered


@sqlite
async def test_the_pages_can_be_turned_after_a_restart(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        shown = await ask(world, BEN)
        backend, message = world.env.backend, shown.message
    async with open_world(database, FakeEngine(), backend=backend) as world:
        stored = backend.messages[message.channel_id][message.id]
        shown = Help(world, ResponseMessage(world.env, stored))
        await shown.press("▶️", BEN)
        await shown.shows("Go on, again")
        await shown.choose("canon", BEN)
        await shown.shows("Canon and look-ups")


@sqlite
async def test_topics_are_suggested_and_found_by_what_is_typed(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:

        async def suggested(typed: str, member: int = BEN) -> list[str]:
            found = await world.members[member].autocomplete(world.channel, "help", "topic", typed)
            return [str(choice["value"]) for choice in found]

        assert await suggested("") == [topic.value for topic in topics(admin=False, operator=False)]
        assert await suggested("bible") == ["memory"]
        assert await suggested("manage") == []
        assert await suggested("manage", ADA) == ["admins"]
        assert "Canon" in ((await ask(world, topic="canon")).embed.title or "")
        assert "bible" in ((await ask(world, topic="the STORY bible")).embed.title or "")
        assert "Begin" in ((await ask(world, topic="of dragons")).embed.title or "")


@sqlite
async def test_the_examples_are_about_works_of_the_readers_language(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        world.env.backend.set_locale(world.members[BEN].id, "ko")
        shown = await ask(world, BEN)
        assert load_properties("ko")[0].local_name in text_of(shown.embed)
        assert load_properties("en")[0].local_name not in text_of(shown.embed)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_page_fits_discords_limits(code: str) -> None:
    words = words_in(code)
    there = topics(admin=True, operator=True)
    for topic in there:
        embed = help_page(reader(code), topic)
        assert 0 < len(embed.title or "") <= 256
        assert 0 < len(embed.description or "") <= 4096
        assert len(embed.fields) <= 25
        assert len(embed) <= 6000
        for field in embed.fields:
            assert 0 < len(str(field.name)) <= 256
            assert 0 < len(str(field.value)) <= 1024, (topic, field.name)
        for item in help_controls(words, topic, there).to_components():
            for control in item["components"]:
                assert len(control.get("label") or "") <= 80
                assert len(control.get("placeholder") or "") <= 150
                for option in control.get("options", ()):
                    assert option["label"] == title(words, Topic(option["value"])), "nothing is cut off"
                    assert len(option["label"]) <= 100


@pytest.mark.parametrize("code", RIGHT_TO_LEFT)
def test_commands_do_not_turn_a_line_round_that_is_written_from_the_right(code: str) -> None:
    for mentions in (known_mentions(), CommandMentions()):
        for topic in Topic:
            text = text_of(help_page(reader(code, mentions), topic))
            commands = list(re.finditer(r"</[^>]+>|\*\*/[^*]+\*\*", text))
            assert commands, topic
            for command in commands:
                before, after = text[: command.start()], text[command.end() :]
                assert before.count(ISOLATE) > before.count(POP), (topic, command[0])
                assert POP in after.split("\n")[0], (topic, command[0])


def test_a_command_that_discord_has_not_named_yet_has_the_readers_name_for_it() -> None:
    assert CommandMentions().told(words_in("en"), "story start") == "**/story start**"
    assert CommandMentions().told(words_in("de"), "story start") == "**/geschichte beginnen**"


def test_a_servers_own_command_goes_before_the_one_of_its_name_everywhere() -> None:
    mentions = known_mentions(6)
    mentions.learn([command for command in commands_with(7) if command.name == "admin"], guild_id=5)
    words = words_in("en")
    assert mentions.told(words, "admin health", 5) == "</admin health:7>"
    assert mentions.told(words, "admin health", 4) == "</admin health:6>"
    assert mentions.told(words, "story start", 5) == "</story start:6>"


@pytest.mark.parametrize("code", ["en", "de", "ar"])
def test_commands_that_a_text_names_in_the_readers_language_become_mentions(code: str) -> None:
    words, mentions = words_in(code), known_mentions(6)
    text = words.say("Tell me what you would like to read, in the same message, or use **/story start**.")
    linked = mentions.linked(words, text)
    assert "</story start:6>" in linked
    assert "**" not in linked
    assert mentions.linked(words, "**/admin model**, **/nothing** and **bold**") == (
        "**/admin model**, **/nothing** and **bold**"
    ), "a group cannot be used by itself"
    assert CommandMentions().linked(words, text) == text


@sqlite
async def test_a_refusal_names_commands_to_click_on(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        world.env.backend.set_locale(world.members[BEN].id, "de")
        ids = {command.name: command.id for command in await world.bot.tree.fetch_commands()}
        await world.members[ADA].slash(world.channel, "admin quota set", answers=0)
        refused = await world.reply(await world.members[BEN].slash(world.channel, "story start", prompt="hm"))
        assert f"</admin quota set:{ids['admin']}>" in refused


async def test_a_whisper_that_mentions_would_make_too_long_for_discord_is_said_without_them() -> None:
    said: list[str] = []

    async def send(text: str, **_: Any) -> None:
        said.append(text)

    interaction = SimpleNamespace(
        client=SimpleNamespace(parts=SimpleNamespace(mentions=known_mentions())),
        locale="en-US",
        guild_id=None,
        response=SimpleNamespace(is_done=lambda: False, send_message=send),
    )
    for length in (100, 1980, 5000):
        await whisper(cast("discord.Interaction", interaction), "x" * length + " **/story start**")
    assert said[0].endswith(f"</story start:{LONGEST_ID}>")
    assert said[1] == "x" * 1980 + " **/story start**"
    assert len(said[2]) == 2000

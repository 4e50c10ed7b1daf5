"""discord.py through dropped connections, lost sessions, refused intents, and over shards."""

from __future__ import annotations

import asyncio

import discord as library
import pytest

from tests.discord_server import DiscordServer, Intent

from .conftest import Connect, Scene, connected
from .toy_bot import ToyBot


async def test_a_drop_in_the_middle_of_a_story_is_resumed(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    discord.limits.switch_off()
    bot = await connect()
    bot.gate.clear()
    thread = await scene.alice.start_thread(scene.channel, "tale")
    await scene.alice.send(thread, "begin")
    story = await discord.wait_for(lambda: thread.written[1])
    assert discord.gateway.drop(resume=True) == 1
    await scene.alice.send(scene.channel, "missed while away")
    bot.gate.set()
    await discord.wait_for(lambda: "resumed" in bot.seen)
    await discord.wait_for(lambda: story.content.endswith("stories."))
    assert discord.gateway.identifies == 1
    await discord.wait_for(lambda: [m.content for m in bot.heard].count("missed while away") == 1)


async def test_a_lost_session_is_begun_anew(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    discord.gateway.drop(resume=False)
    await discord.wait_for(lambda: bot.seen.count("ready") == 2)
    assert discord.gateway.identifies == 2
    await scene.alice.send(scene.channel, "still there?")
    await discord.wait_for(lambda: bot.heard)


@pytest.mark.parametrize("resumable", [True, False])
async def test_an_invalid_session_is_resumed_or_begun_anew(
    discord: DiscordServer, connect: Connect, resumable: bool
) -> None:
    bot = await connect()
    discord.gateway.invalid_session(resumable=resumable)
    event = "resumed" if resumable else "ready"
    await discord.wait_for(lambda: bot.seen.count(event) == (1 if resumable else 2))
    assert discord.gateway.identifies == (1 if resumable else 2)


async def test_a_request_to_reconnect_is_followed_by_a_resume(
    discord: DiscordServer, connect: Connect
) -> None:
    bot = await connect()
    discord.gateway.request_reconnect()
    await discord.wait_for(lambda: "resumed" in bot.seen)


async def test_close_codes_that_allow_it_are_resumed(discord: DiscordServer, connect: Connect) -> None:
    bot = await connect()
    discord.gateway.drop(code=4009)
    await discord.wait_for(lambda: "resumed" in bot.seen)


async def test_events_can_be_lost(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    discord.drop_event("MESSAGE_CREATE", channel_id=scene.channel.id)
    await scene.alice.send(scene.channel, "lost")
    await scene.alice.send(scene.channel, "found")
    await discord.wait_for(lambda: bot.heard)
    assert [m.content for m in bot.heard] == ["found"]


async def test_a_bot_with_an_intent_that_is_off_learns_why(discord: DiscordServer, scene: Scene) -> None:
    discord.application.enable_only(Intent(0))
    with pytest.raises(library.PrivilegedIntentsRequired):
        async with connected(discord, ToyBot()):
            pass


async def test_a_wrong_token_is_refused(discord: DiscordServer) -> None:
    bot = ToyBot()
    library.http.Route.BASE = discord.api_base
    with pytest.raises(library.LoginFailure):
        await bot.login("wrong")
    await bot.close()
    assert discord.limits.invalid_requests == 1


async def test_guilds_are_spread_over_shards(discord: DiscordServer) -> None:
    guilds = [discord.create_guild(f"guild {number}") for number in range(4)]
    channels = [guild.create_text_channel("c") for guild in guilds]
    alice = [guild.add_member("alice") for guild in guilds]
    discord.gateway.settings(shards=2, max_concurrency=2)
    bot = ShardedBot(intents=library.Intents.all(), guild_ready_timeout=0.05)
    async with connected(discord, bot, shards=2):
        assert sorted(session["shard"] for session in discord.gateway.sessions) == [[0, 2], [1, 2]]
        for guild, channel, member in zip(guilds, channels, alice, strict=True):
            await member.send(channel, guild.name)
        await discord.wait_for(lambda: len(bot.heard) == 4)
        for message in bot.heard:
            assert message.guild is not None
            assert message.guild.shard_id == (message.guild.id >> 22) % 2
        discord.gateway.drop(shard=1)
        await discord.wait_for(lambda: bot.resumed == [1])


class ShardedBot(library.AutoShardedClient):
    def __init__(self, *, intents: library.Intents, guild_ready_timeout: float) -> None:
        super().__init__(intents=intents, guild_ready_timeout=guild_ready_timeout)
        self.heard: list[library.Message] = []
        self.resumed: list[int] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The library waits five seconds before a second IDENTIFY; tests do not."""

    async def on_message(self, message: library.Message) -> None:
        self.heard.append(message)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self.resumed.append(shard_id)


async def test_a_refused_connection_is_tried_again(discord: DiscordServer, connect: Connect) -> None:
    bot = await connect()
    discord.gateway.refuse(1)
    discord.gateway.drop(resume=True)
    await asyncio.sleep(0.05)
    assert "disconnect" in bot.seen
    await discord.gateway.connected(timeout=15)

"""State kept in a file, and bot and server that go down independently of one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.discord_server import ClientRefusedError, DiscordServer, File

from .conftest import connected
from .toy_bot import ToyBot


async def test_a_saved_world_is_the_same_when_loaded(tmp_path: Path) -> None:
    file = tmp_path / "discord.json"
    async with DiscordServer() as discord:
        guild = discord.create_guild("Library")
        channel = guild.create_text_channel("fan-fiction")
        alice = guild.add_member("alice", locale="ko")
        message = await alice.send(channel, "once", files=[File("a.bin", bytes(range(256)))])
        await alice.edit(message, "twice")
        await alice.react(message, "👍")
        thread = await alice.start_thread(channel, "tale", message=message)
        discord.clock.advance(1000)
        discord.save(file)
        token, now = discord.bot_token, discord.clock.now
    async with DiscordServer() as again:
        again.load(file)
        assert again.bot_token == token
        assert again.clock.now >= now
        same = again.guilds[0].channels[0].messages[0]
        assert [v.content for v in same.versions] == ["once", "twice"]
        assert same.attachments[0].data == bytes(range(256))
        assert same.reactions == {"👍": [alice.id]}
        assert same.thread == thread
        assert again.user("alice").locale == "ko"
        fresh = await again.user("alice").send(again.guilds[0].channels[0], "new")
        assert fresh.id > thread.id


async def test_server_and_bot_restart_independently(tmp_path: Path) -> None:
    file = tmp_path / "discord.json"
    async with DiscordServer.spawn(state_file=file) as discord:
        guild = discord.create_guild("Library")
        channel = guild.create_text_channel("fan-fiction")
        alice = guild.add_member("alice")
        discord.limits.switch_off()
        first = ToyBot()
        async with connected(discord, first):
            thread = await alice.start_thread(channel, "tale")
            await alice.send(thread, "begin")
            story = await discord.wait_for(lambda: thread.written[1])
            await discord.wait_for(lambda: story.content.endswith("stories."))
        # Nobody hears this one but the server, which then dies.
        missed = await alice.send(thread, "anybody?")
        await discord.kill()
        await discord.start()
        assert [m.content for m in thread.written][-1] == "anybody?"
        assert len(story.edits) == 12
        second = ToyBot()
        async with connected(discord, second):
            result = await alice.click(story, "👍")
            assert result.response is not None
            assert result.response.content == "Thank you"
            # This time the bot is there when the server dies, and comes back to it by itself.
            await discord.kill()
            await discord.start()
            await discord.gateway.connected(timeout=30)
            await alice.send(channel, "back?")
            await discord.wait_for(lambda: second.heard)
        assert missed.content == "anybody?"


async def test_the_remote_controls_are_the_same(tmp_path: Path) -> None:
    async with DiscordServer.spawn() as discord:
        guild = discord.create_guild("Library")
        channel = guild.create_text_channel("fan-fiction")
        alice = guild.add_member("alice")
        discord.faults.next("GET /users/@me", status=500)
        discord.clock.advance(5)
        async with connected(discord, ToyBot()):
            choices = await alice.autocomplete(channel, "story start", "language", "k", prompt="x")
            assert [choice.value for choice in choices] == ["ko"]
            with pytest.raises(ClientRefusedError, match="no command"):
                await alice.slash(channel, "nonsense")
        assert discord.requests[0].status == 500
        discord.save(tmp_path / "saved.json")
        discord.load(tmp_path / "saved.json")
        assert discord.guilds == [guild]

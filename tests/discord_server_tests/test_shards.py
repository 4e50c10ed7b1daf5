"""Two processes that divide the servers: each hears, and answers, in its own."""

from __future__ import annotations

from dataclasses import replace

from tests.discord_server import DiscordServer

from .conftest import Scene
from .fanfabler import Stage, running


async def test_each_of_two_processes_answers_in_its_own_servers(
    discord: DiscordServer, scene: Scene, stage: Stage
) -> None:
    discord.gateway.settings(shards=2, max_concurrency=2)
    second = discord.create_guild("Harbour")
    while (second.id >> 22) % 2 == (scene.guild.id >> 22) % 2:
        # Ids follow the clock, or one another where they are made faster than it goes: then one more is needed.
        scene.guild.create_text_channel("off-topic")
        second = discord.create_guild("Harbour")
    channel = second.create_text_channel("fan-fiction")
    stages = {
        (guild.id >> 22) % 2: replace(stage, channel=where, alice=member)
        for guild, where, member in (
            (scene.guild, scene.channel, scene.alice),
            (second, channel, second.add_member("bob")),
        )
    }
    divided = [
        replace(stages[n], environment={**stage.environment, "SHARD_COUNT": "2", "SHARD_ID": str(n)})
        for n in range(2)
    ]
    stage.engine.tokens_per_second = 15
    async with running(divided[0]) as first, running(divided[1]) as other:
        await discord.wait_for(lambda: first.is_ready() and other.is_ready(), 30, "both bots")
        for bot, own, others in ((first, *divided), (other, *divided[::-1])):
            assert bot.get_guild(own.channel.guild.id) is not None
            assert bot.get_guild(others.channel.guild.id) is None
        threads = [await s.start_story("Tell me of a lighthouse.") for s in divided]
        await discord.wait_for(
            lambda: [bot.parts.dispatcher.running for bot in (first, other)] == [1, 1], 30, "both to write"
        )
        stage.engine.tokens_per_second = 1000
        for s, thread in zip(divided, threads, strict=True):
            (answer,) = await s.finished(thread)
            assert answer.author == discord.bot

"""A bot on the live simulated Discord, without a page: for tests of a bot that streams, waits and never rests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import discord
from simcord import ChannelHandle, MemberActor

from bot.preview.simcord_live import LiveBackend, LiveEnv
from bot.preview.world import World, build_world, find_world


@dataclass(frozen=True, slots=True)
class SimulatedDiscord:
    """`env.until(condition)` waits for what the bot does; `env.errors` are its exceptions; `env.http_requests` what
    it asked of Discord. The first member owns the server and, as on the preview, is called Ada."""

    env: LiveEnv
    world: World

    @property
    def channel(self) -> ChannelHandle:
        return self.world.channel

    @property
    def ada(self) -> MemberActor:
        return self.world.members[0]

    @property
    def ben(self) -> MemberActor:
        return self.world.members[1]


@asynccontextmanager
async def simulated_discord(
    bot: discord.Client, backend: LiveBackend | None = None, members: Sequence[str] = ("Ada", "Ben")
) -> AsyncIterator[SimulatedDiscord]:
    """Log the bot in to a server with these members, or to the `backend` of an earlier one, and close it after."""
    env = LiveEnv(bot, backend)
    world = find_world(env) or build_world(env, members)
    try:
        await env.start()
        yield SimulatedDiscord(env, world)
    finally:
        await env.close_bot()
        await env.shutdown()

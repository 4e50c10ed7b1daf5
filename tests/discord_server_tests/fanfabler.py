"""The project's own bot on this Discord: how tests start it and play with it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.application import build_bot, open_foundation
from bot.discord.client import FanFabler
from bot.running import point_elsewhere
from bot.settings import Settings
from model.engine.fake import FakeEngine
from tests.databases import migrated_in
from tests.discord_server import Channel, DiscordServer, Member, Message
from tests.model.worker.conftest import fake_model, listening

LONG = " ".join(f"Sentence number {n} of a long story." for n in range(60))
NOWHERE = "http://127.0.0.1:9/{code}/api.php"


@dataclass
class Stage:
    """The server, somebody to play, and the worker's engine."""

    discord: DiscordServer
    channel: Channel
    alice: Member
    engine: FakeEngine
    environment: dict[str, str]

    def settings(self) -> Settings:
        values = {name.lower(): value for name, value in self.environment.items()}
        return Settings(_env_file=None, **values)  # type: ignore[arg-type]

    async def start_story(self, prompt: str) -> Channel:
        """`/story start`; returns the thread."""
        known = len(self.channel.threads)
        result = await self.alice.slash(self.channel, "story start", prompt=prompt)
        assert result.deferred
        return await self.discord.wait_for(lambda: self.channel.threads[known], what="the thread")

    async def finished(self, thread: Channel, count: int = 1) -> list[Message]:
        """The bot's messages, once so many answers have the buttons of a finished one."""

        def ready() -> list[Message] | None:
            own = self.own(thread)
            done = sum("👍" in message.buttons for message in own)
            return own if done >= count else None

        found = await self.discord.wait_for(ready, 60, "a finished answer")
        assert found is not None
        return found

    def own(self, thread: Channel) -> list[Message]:
        return [message for message in thread.written if message.author == self.discord.bot]


@asynccontextmanager
async def staged(
    discord: DiscordServer, channel: Channel, alice: Member, folder: Path
) -> AsyncIterator[Stage]:
    """A stage with a fresh database in the folder and a worker that answers from a script."""
    engine = FakeEngine(tokens_per_second=400)
    async with migrated_in(folder) as url, listening([fake_model(engine)]) as worker:
        environment = {
            "DISCORD_TOKEN": discord.bot_token,
            "DISCORD_API_BASE": discord.api_base,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
            "DATABASE_URL": url,
            "WORKER_URL": f"{worker.url}/v1",
            "WIKIPEDIA_URL": NOWHERE,
            "THREAD_TITLES": "false",
            "GREET_SERVERS": "false",
        }
        yield Stage(discord, channel, alice, engine, environment)


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[FanFabler]:
    """The bot in this process, as `python -m bot run` builds it."""
    settings = stage.settings()
    point_elsewhere(settings)
    async with open_foundation(settings) as foundation:
        bot = build_bot(foundation)
        serving = asyncio.create_task(bot.start(stage.discord.bot_token))
        try:
            await stage.discord.gateway.connected()
            yield bot
        finally:
            await bot.close()
            await asyncio.gather(serving, return_exceptions=True)


async def spawn_bot(stage: Stage) -> asyncio.subprocess.Process:
    """`python -m bot run`, connected. What it says goes to the test's output."""
    known = stage.discord.gateway.identifies
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        env={**os.environ, **stage.environment},
        cwd=Path(__file__).parents[2],
    )

    def connected() -> bool:
        assert process.returncode is None, "the bot ended"
        return stage.discord.gateway.identifies > known

    await stage.discord.wait_for(connected, 60, "the bot")
    return process

"""The project's own bot on this Discord, over real HTTP and WebSockets on both sides: a whole conversation, rate
limits, lost connections, and a bot that is killed in the middle of an answer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.application import build_bot, open_foundation
from bot.discord.client import FanFabler
from bot.running import point_elsewhere
from bot.settings import Settings
from model.engine.fake import FakeEngine
from tests.databases import migrate, sqlite_url
from tests.discord_server import Channel, DiscordServer, Member, Message
from tests.model.worker.conftest import fake_model, listening

from .conftest import Scene

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


@pytest.fixture
async def stage(discord: DiscordServer, scene: Scene, tmp_path: Path) -> AsyncIterator[Stage]:
    engine = FakeEngine(tokens_per_second=400)
    url = sqlite_url(tmp_path)
    await migrate(url)
    async with listening([fake_model(engine)]) as worker:
        environment = {
            "DISCORD_TOKEN": discord.bot_token,
            "DISCORD_API_BASE": discord.api_base,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
            "DATABASE_URL": url,
            "WORKER_URL": f"{worker.url}/v1",
            "WIKIPEDIA_URL": NOWHERE,
        }
        yield Stage(discord, scene.channel, scene.alice, engine, environment)


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


async def test_a_whole_conversation(stage: Stage) -> None:
    stage.engine.script(
        "Here is your dragon.", "And @everyone has a castle.\n\n>>> Pride and Prejudice\n>>> en"
    )
    async with running(stage):
        thread = await stage.start_story("a dragon, please")
        (first,) = await stage.finished(thread)
        assert first.content == "Here is your dragon."
        assert "a dragon, please" in stage.channel.written[0].content
        await stage.alice.send(thread, "and a castle")
        answers = await stage.finished(thread, 2)
        await stage.discord.wait_for(lambda: any(m.embeds for m in stage.own(thread)), what="the page")
        assert "castle" in answers[1].content
        assert ">>>" not in "".join(m.content for m in stage.own(thread))
        assert not any(message.pings for message in thread.all_messages)


async def test_a_streamed_answer_gets_through_real_429s_whole(stage: Stage) -> None:
    stage.engine.script(LONG)
    stage.engine.tokens_per_second = 250
    stage.discord.limits.set("message-edit", 3, 1.0)
    edits = "PATCH /channels/*/messages/*"
    stage.discord.faults.next(edits, status=429, retry_after=0.3, skip=1)
    stage.discord.faults.next(edits, status=429, retry_after=0.3, scope="global", skip=1)
    stage.discord.faults.next(edits, status=502, skip=2)
    async with running(stage):
        thread = await stage.start_story("a long one")
        messages = await stage.finished(thread)
        assert " ".join(message.content for message in messages) == LONG
        assert len(stage.discord.requests.to(edits).with_status(429)) >= 2
        assert stage.discord.faults.clear() == 0


@pytest.mark.parametrize("resume", [True, False])
async def test_the_gateway_goes_away_in_the_middle_of_an_answer(stage: Stage, resume: bool) -> None:
    stage.engine.script(LONG, "I was away, but I heard you.")
    async with running(stage):
        thread = await stage.start_story("a long one")
        await stage.discord.wait_for(lambda: len(stage.own(thread)[0].content) > 50)
        stage.discord.gateway.drop(resume=resume)
        await stage.alice.send(thread, "are you there?")
        await stage.discord.gateway.connected(timeout=20)
        messages = await stage.finished(thread, 2)
        assert " ".join(message.content for message in messages[:-1]) == LONG
        assert messages[-1].content == "I was away, but I heard you."
        assert stage.discord.gateway.identifies == (1 if resume else 2)


async def test_a_bot_that_is_killed_goes_on_where_it_was(stage: Stage) -> None:
    stage.engine.script(LONG, LONG)
    stage.engine.tokens_per_second = 150
    stage.environment["LEASE_SECONDS"] = "2"
    process = await spawn_bot(stage)
    thread = await stage.start_story("a long one")
    await stage.discord.wait_for(lambda: len(stage.own(thread)[0].content) > 200)
    process.kill()
    await process.wait()
    again = await spawn_bot(stage)
    try:
        messages = await stage.finished(thread)
        assert " ".join(message.content for message in messages) == LONG
        assert stage.engine.requests[-1].continues
        result = await stage.alice.click(messages[-1], "👍")
        assert result.acknowledged
    finally:
        again.terminate()
        await again.wait()


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

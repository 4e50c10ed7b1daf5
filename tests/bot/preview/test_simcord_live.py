"""simcord made live: that its private places are where they were, that time is real, and what happens without."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator

import discord
import pytest
import pytest_asyncio
from discord.ext import tasks
from simcord import Env
from simcord.preview import Preview

from bot.preview import simcord_live
from bot.preview.simcord_live import LiveEnv
from bot.preview.world import World, build_world
from tests.bot.preview.toy_bot import STORY, ToyBot


@pytest_asyncio.fixture
async def env() -> AsyncIterator[LiveEnv]:
    """The toy bot on a live simulated Discord, without a page."""
    live = LiveEnv(ToyBot(interval=0.02))
    live.world = build_world(live, ("Ada", "Ben"))  # type: ignore[attr-defined]
    await live.start()
    yield live
    await live.close_bot()
    await live.shutdown()


@pytest.fixture
def world(env: LiveEnv) -> World:
    return env.world  # type: ignore[attr-defined, no-any-return]


def test_the_installed_simcord_has_what_the_live_page_needs() -> None:
    assert simcord_live.missing_names() == []


def test_a_name_that_moved_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Env, "_settle_internal")
    monkeypatch.setattr(Preview, "_publish", lambda page: None)
    assert simcord_live.missing_names() == ["Env._settle_internal", "Preview._publish"]


async def test_an_action_returns_when_the_bot_has_answered_and_not_when_it_rests(
    env: LiveEnv, world: World
) -> None:
    result = await world.members[0].slash(world.channel, "story start", prompt="The castle")
    assert result.acknowledged
    (thread,) = world.channel.threads
    assert thread.last_message is None or "The end." not in thread.last_message.content
    await env.until(lambda: thread.last_message and "The end." in thread.last_message.content)
    assert thread.last_message is not None
    assert STORY in thread.last_message.content
    assert env.errors == []


async def test_messages_are_dated_now(env: LiveEnv, world: World) -> None:
    message = await world.members[0].send(world.channel, "hello")
    now = datetime.datetime.now(datetime.UTC)
    assert abs((now - message.created_at).total_seconds()) < 2
    assert abs((now - discord.utils.snowflake_time(message.id)).total_seconds()) < 2


async def test_the_bots_timers_run_by_themselves(env: LiveEnv) -> None:
    ticks: list[float] = []

    @tasks.loop(seconds=0.05)
    async def tick() -> None:
        ticks.append(time.monotonic())

    class Brief(discord.ui.View):
        timed_out = False

        async def on_timeout(self) -> None:
            self.timed_out = True

    async def bot_work() -> None:
        tick.start()
        view = Brief(timeout=0.1)
        env.bot.add_view(view) if view.is_persistent() else None
        await view.wait()
        with pytest.raises(TimeoutError):
            await env.bot.wait_for("message", timeout=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)

    with env._bot_scope():
        work = asyncio.create_task(bot_work())
    await asyncio.sleep(0.3)
    assert len(ticks) >= 3
    tick.cancel()
    work.cancel()


async def test_a_bot_that_restarts_finds_its_messages_and_buttons(env: LiveEnv, world: World) -> None:
    ada = world.members[0]
    await ada.slash(world.channel, "story start", prompt="The castle")
    (thread,) = world.channel.threads
    await env.until(lambda: thread.last_message)
    message = thread.last_message
    assert message is not None
    old, new = env.bot, ToyBot(interval=0.02)
    await env.restart_bot(new)
    assert isinstance(old, ToyBot)
    assert old.closed_cleanly
    result = await ada.click(message, label="Stop")
    assert new.stopped == [message.id]
    assert result.ephemeral


async def test_the_logs_of_a_long_session_stay_short(env: LiveEnv, world: World) -> None:
    for number in range(simcord_live.LOG_LENGTH):
        env.backend.transcript.append(("TEST", str(number), None))
    await world.members[0].send(world.channel, "hello")
    assert len(env.backend.transcript) == simcord_live.LOG_LENGTH

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
from bot.preview.simcord_live import environment
from tests.bot.preview.toy_bot import STORY, ToyBot
from tests.bot.simulated_discord import SimulatedDiscord, simulated_discord


@pytest_asyncio.fixture
async def simulated() -> AsyncIterator[SimulatedDiscord]:
    """The toy bot on a live simulated Discord, without a page."""
    async with simulated_discord(ToyBot(interval=0.02)) as simulated:
        yield simulated


def test_the_installed_simcord_has_what_the_live_page_needs() -> None:
    assert simcord_live.missing_names() == []


def test_a_name_that_moved_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Env, "_settle_internal")
    monkeypatch.setattr(Preview, "_publish", lambda page: None)
    assert simcord_live.missing_names() == ["Env._settle_internal", "Preview._publish"]


async def test_an_action_returns_when_the_bot_has_answered_and_not_when_it_rests(
    simulated: SimulatedDiscord,
) -> None:
    result = await simulated.ada.slash(simulated.channel, "story start", prompt="The castle")
    assert result.acknowledged
    (thread,) = simulated.channel.threads
    assert thread.last_message is None or "The end." not in thread.last_message.content
    await simulated.env.until(lambda: thread.last_message and "The end." in thread.last_message.content)
    assert thread.last_message is not None
    assert STORY in thread.last_message.content
    assert simulated.env.errors == []


async def test_messages_are_dated_now(simulated: SimulatedDiscord) -> None:
    message = await simulated.ada.send(simulated.channel, "hello")
    now = datetime.datetime.now(datetime.UTC)
    assert abs((now - message.created_at).total_seconds()) < 2
    assert abs((now - discord.utils.snowflake_time(message.id)).total_seconds()) < 2


async def test_the_bots_timers_run_by_themselves(simulated: SimulatedDiscord) -> None:
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
        simulated.env.bot.add_view(view) if view.is_persistent() else None
        await view.wait()
        with pytest.raises(TimeoutError):
            await simulated.env.bot.wait_for("message", timeout=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)

    with simulated.env._bot_scope():
        work = asyncio.create_task(bot_work())
    await asyncio.sleep(0.3)
    assert len(ticks) >= 3
    tick.cancel()
    work.cancel()


async def test_a_bot_that_restarts_finds_its_messages_and_buttons(simulated: SimulatedDiscord) -> None:
    ada = simulated.ada
    await ada.slash(simulated.channel, "story start", prompt="The castle")
    (thread,) = simulated.channel.threads
    await simulated.env.until(lambda: thread.last_message)
    message = thread.last_message
    assert message is not None
    old, new = simulated.env.bot, ToyBot(interval=0.02)
    await simulated.env.restart_bot(new)
    assert isinstance(old, ToyBot)
    assert old.closed_cleanly
    result = await ada.click(message, label="Stop")
    assert new.stopped == [message.id]
    assert result.ephemeral


async def test_the_logs_of_a_long_session_stay_short(simulated: SimulatedDiscord) -> None:
    for number in range(environment.LOG_LENGTH):
        simulated.env.backend.transcript.append(("TEST", str(number), None))
    await simulated.ada.send(simulated.channel, "hello")
    assert len(simulated.env.backend.transcript) == environment.LOG_LENGTH


async def test_a_bot_that_cannot_start_says_why_and_leaves_nothing_behind() -> None:
    class Broken(ToyBot):
        async def setup_hook(self) -> None:
            raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        async with simulated_discord(Broken()):
            pass
    async with simulated_discord(ToyBot()) as simulated:
        assert simulated.env.bot.is_ready()

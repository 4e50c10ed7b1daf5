"""`python -m bot run`: the bot on real Discord, until a signal; and the small database command."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import discord

from bot.application import build_bot, open_foundation, telling_metrics
from bot.database.connection import open_database
from bot.database.schema import upgrade
from bot.discord.client import FanFabler
from bot.errors import BotError, SettingsError
from bot.pulse import pulse
from bot.settings import Settings

log = logging.getLogger(__name__)

PORTAL = "https://discord.com/developers/applications"


class LoginFailed(BotError):
    """Discord refused the token in DISCORD_TOKEN. Copy it anew from discord.com/developers/applications: your
    application, Bot, Reset Token."""


class IntentMissing(BotError):
    """Discord did not give the bot the message content intent, without which it cannot read what members write.
    Switch it on at discord.com/developers/applications: your application, Bot, Privileged Gateway Intents,
    Message Content Intent."""


def point_elsewhere(settings: Settings) -> None:
    """Let discord.py talk to another server than Discord's, which it has no setting for."""
    from discord.gateway import DiscordWebSocket
    from discord.http import Route
    from yarl import URL

    if settings.discord_api_base:
        Route.BASE = settings.discord_api_base.rstrip("/")
    if settings.discord_gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = URL(settings.discord_gateway_url)


async def run(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; 0 then.

    Raises:
        SettingsError: there is no token. LoginFailed, IntentMissing: Discord does not let the bot in.
    """
    if settings.discord_token is None:
        raise SettingsError(
            "DISCORD_TOKEN is not set. Copy .env.example to .env and put your bot's token in it."
        )
    point_elsewhere(settings)
    await until_signal(_serve(settings))
    return 0


async def until_signal(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until it ends by itself or SIGINT or SIGTERM comes; then stop it in order."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    task = asyncio.create_task(serving)
    await asyncio.wait({stopping, task}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        sys.stderr.write("Stopping …\n")
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _serve(settings: Settings) -> None:
    assert settings.discord_token is not None  # noqa: S101 -- looked at by `run`
    async with open_foundation(settings) as foundation:
        bot = build_bot(foundation)
        async with (
            bot,
            telling_metrics(foundation, bot),
            pulse(bot, foundation.database, settings.pulse_file),
        ):
            await connect(bot, settings.discord_token.get_secret_value())


async def connect(bot: FanFabler, token: str) -> None:
    """Log in and stay connected; discord.py mends what breaks in between. Ends with an error where the dispatcher
    fails, so that a supervisor starts the process anew."""
    serving = asyncio.create_task(bot.start(token))
    failing = asyncio.create_task(bot.failed())
    try:
        done, _ = await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except discord.LoginFailure as error:
        raise LoginFailed from error
    except discord.PrivilegedIntentsRequired as error:
        raise IntentMissing from error
    finally:
        serving.cancel()
        failing.cancel()
        await asyncio.gather(serving, failing, return_exceptions=True)


async def upgrade_database(settings: Settings, revision: str) -> None:
    """Migrate the database of the settings."""
    async with open_database(settings.database_url, patience=0.0) as database:
        await upgrade(database, revision)

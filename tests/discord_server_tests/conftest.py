"""The server, a guild in it, and discord.py pointed at it: by its two addresses and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import discord as library
import pytest
import yarl

from tests.discord_server import Channel, DiscordControl, DiscordServer, Guild, Member

from .fanfabler import Stage, staged
from .raw_gateway import Gateway
from .toy_bot import ToyBot

_BASE, _GATEWAY = library.http.Route.BASE, library.gateway.DiscordWebSocket.DEFAULT_GATEWAY


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


@dataclass
class Scene:
    guild: Guild
    channel: Channel
    alice: Member


@pytest.fixture
def scene(discord: DiscordServer) -> Scene:
    guild = discord.create_guild("Library")
    channel = guild.create_text_channel("fan-fiction")
    return Scene(guild, channel, guild.add_member("alice", locale="de"))


@pytest.fixture
async def stage(discord: DiscordServer, scene: Scene, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(discord, scene.channel, scene.alice, tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def library_addresses() -> Iterator[None]:
    yield
    library.http.Route.BASE, library.gateway.DiscordWebSocket.DEFAULT_GATEWAY = _BASE, _GATEWAY


def point_library(server: DiscordControl) -> None:
    library.http.Route.BASE = server.api_base
    library.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)


@asynccontextmanager
async def connected(server: DiscordControl, bot: library.Client, shards: int = 1) -> AsyncIterator[None]:
    """The bot running, its sessions open; closed at the end."""
    point_library(server)
    task = asyncio.create_task(bot.start(server.bot_token))
    try:
        ready = asyncio.create_task(server.gateway.connected(shards))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            await task
        await ready
        await bot.wait_until_ready()
        yield
    finally:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


Connect = Callable[..., Awaitable[ToyBot]]


@pytest.fixture
async def connect(discord: DiscordServer) -> AsyncIterator[Connect]:
    """`bot = await connect()`, with options of ToyBot."""
    async with AsyncExitStack() as stack:

        async def start(bot: ToyBot | None = None, **options: Any) -> ToyBot:
            started = bot or ToyBot(**options)
            await stack.enter_async_context(connected(discord, started))
            return started

        yield start


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: Any

    @property
    def code(self) -> int:
        return int(self.body["code"])


class Api:
    """Bare HTTP with the bot's token, for what the library hides: headers and bodies."""

    def __init__(self, server: DiscordControl, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def __call__(self, method: str, path: str, json: Any = None, *, token: str | None = None) -> Answer:
        headers = {"Authorization": f"Bot {token or self._server.bot_token}"}
        url = self._server.api_base + path
        async with self._session.request(method, url, json=json, headers=headers) as response:
            is_json = response.headers.get("Content-Type") == "application/json"
            body = await response.json() if is_json else await response.text()
            return Answer(response.status, response.headers, body)

    async def form(self, path: str, form: aiohttp.FormData) -> Answer:
        headers = {"Authorization": f"Bot {self._server.bot_token}"}
        async with self._session.post(self._server.api_base + path, data=form, headers=headers) as response:
            return Answer(response.status, response.headers, await response.json())


@pytest.fixture
async def api(discord: DiscordServer) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(discord, session)


@pytest.fixture
async def gateway(discord: DiscordServer) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        yield Gateway(discord, stack)

"""What discord.py's client does about limits, against a server that has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.discord.rate_limits import finish_requests


@pytest.fixture
async def limited(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[discord.http.HTTPClient, list[str]]]:
    """A client of a server that answers the first request with the global limit, and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) == 1:
            body = {"message": "You are being rate limited.", "retry_after": 0.3, "global": True}
            return _json(body, status=429)
        return _json({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        monkeypatch.setattr(discord.http.Route, "BASE", str(server.make_url("")).rstrip("/"))
        http = discord.http.HTTPClient(asyncio.get_running_loop())
        finish_requests(http)
        # What logging in does, without asking who the bot is.
        http._HTTPClient__session = aiohttp.ClientSession()
        http._global_over = asyncio.Event()
        http._global_over.set()
        try:
            yield http, asked
        finally:
            await http.close()


def _json(body: dict[str, object], status: int = 200) -> web.Response:
    """As Discord sends it: discord.py takes no other content type for JSON, and no 429 that came by no proxy."""
    headers = {"Content-Type": "application/json", "Via": "1.1 test"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)


async def test_whoever_is_cancelled_under_the_global_limit_holds_nobody_up(limited) -> None:
    http, asked = limited
    first = asyncio.create_task(http.request(discord.http.Route("POST", "/channels/1/typing")))
    while not asked:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with asyncio.timeout(5):
        await http.request(discord.http.Route("POST", "/channels/2/messages"))
    assert "/channels/2/messages" in asked

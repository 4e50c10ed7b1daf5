"""Discord's rate limits: their headers on every response, by aiohttp's tracing, and how the global one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord

Observer = Callable[[str, str, int, Mapping[str, str]], None]


def rate_limit_trace(begins: Callable[[str, str], None], observe: Observer) -> aiohttp.TraceConfig:
    """A trace that hands method and path of each request to `begins`, as it goes out, and those with status and headers
    of each response to `observe`."""
    trace = aiohttp.TraceConfig()

    async def on_start(
        session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams
    ) -> None:
        begins(params.method, params.url.path)

    async def on_end(
        session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        observe(params.method, params.url.path, params.response.status, params.response.headers)

    trace.on_request_start.append(on_start)
    trace.on_request_end.append(on_end)
    return trace


def finish_requests(http: discord.http.HTTPClient) -> None:
    """Let every request that was begun come to its end, also where whoever waits for it is cancelled.

    While the global limit lasts discord.py (2.7) holds all requests back, until the one that met the limit has slept
    it out. Cancelled in its sleep it would never let them go, and the bot would stand still for good.
    """
    request = http.request

    async def whole(*arguments: Any, **named: Any) -> Any:
        return await asyncio.shield(request(*arguments, **named))

    http.request = whole  # type: ignore[method-assign]

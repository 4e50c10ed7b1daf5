"""Discord's rate-limit headers, seen on every response through aiohttp's tracing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import aiohttp

Observer = Callable[[str, str, int, Mapping[str, str]], None]


def rate_limit_trace(observe: Observer) -> aiohttp.TraceConfig:
    """A trace that hands method, path, status and headers of each response to `observe`."""
    trace = aiohttp.TraceConfig()

    async def on_end(
        session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        observe(params.method, params.url.path, params.response.status, params.response.headers)

    trace.on_request_end.append(on_end)
    return trace

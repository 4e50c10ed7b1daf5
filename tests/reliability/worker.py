"""A worker that can be told to misbehave: `python -m tests.reliability.worker --port N --mode FILE`.

It answers by the rule of `tests.benchmarks.discord.stories`. The file says how it behaves, read at each request:
`well`, `slow`, `hang` (accepts and says nothing), `garbage` (200 with something else), `refuse` (500), `full` (503),
`memory` (ends like a process that the kernel has killed, in the middle of an answer).
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from aiohttp import web

from model.engine.base import GenerationRequest, Step
from model.engine.fake import FakeEngine, Messages
from model.engine.slots import Seat
from model.server.app import build_app
from model.server.worker import Worker
from tests.benchmarks.discord.stories import reply
from tests.model.worker.conftest import fake_model

_SLOW = 12.0
_KILLED = 137
_BEFORE_THE_END = 10
"""Tokens after which a process that runs out of memory is gone."""


def rule(messages: Messages) -> str:
    """The story that was asked for, also where the answer is to go on from what there is of it."""
    return reply(messages[:-1] if messages and messages[-1][0] == "assistant" else messages)


class MoodyEngine(FakeEngine):
    """As the file says."""

    def __init__(self, mode: Path, *, rate: float, slots: int) -> None:
        super().__init__(replies=rule, tokens_per_second=rate, slots=slots, queue_limit=4 * slots)
        self._mode = mode
        self._rate = rate

    @property
    def mode(self) -> str:
        return self._mode.read_text(encoding="utf-8").strip()

    async def _steps(self, request: GenerationRequest, seat: Seat) -> AsyncGenerator[Step, None]:
        made = 0
        async for step in super()._steps(request, seat):
            made += 1
            if self.mode == "memory" and made > _BEFORE_THE_END:
                os._exit(_KILLED)
            if self.mode == "slow":
                await asyncio.sleep(1 / _SLOW)
            yield step


def misbehaving(engine: MoodyEngine):  # type: ignore[no-untyped-def] # aiohttp's decorator is untyped
    """Middleware for what goes wrong before the engine is asked."""

    @web.middleware
    async def middleware(request: web.Request, handler):  # type: ignore[no-untyped-def]
        if not request.path.endswith("/chat/completions"):
            return await handler(request)
        match engine.mode:
            case "hang":
                await asyncio.sleep(3600)
            case "garbage":
                return web.Response(
                    text='data: {"choices": [{\x00 nonsense\n\ndata: <html>', content_type="text/event-stream"
                )
            case "refuse":
                return web.json_response(
                    {"error": {"message": "internal", "type": "server_error"}}, status=500
                )
            case "full":
                return web.json_response(
                    {"error": {"message": "full", "type": "overloaded"}},
                    status=503,
                    headers={"Retry-After": "1"},
                )
        return await handler(request)

    return middleware


async def serve(port: int, mode: Path, rate: float, slots: int) -> None:
    """Until the process ends."""
    engine = MoodyEngine(mode, rate=rate, slots=slots)
    worker = Worker()
    app = build_app(worker, token=None)
    app.middlewares.append(misbehaving(engine))
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    await worker.open([fake_model(engine)])
    await asyncio.Event().wait()


def main() -> None:
    """Parse the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--slots", type=int, default=16)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.mode, options.rate, options.slots))


if __name__ == "__main__":
    main()

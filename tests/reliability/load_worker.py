"""The worker of the load run: `python -m tests.reliability.load_worker --port N --rate R --slots S --times FILE`.

It answers by the rule of `tests.reliability.worker`, and writes a line for each answer into the file: the story's
number, and when its first and its last token were there, in seconds of the machine's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TextIO

from aiohttp import web

from model.engine.base import GenerationRequest, Step
from model.engine.fake import FakeEngine
from model.engine.slots import Seat
from model.server.app import build_app
from model.server.worker import Worker
from tests.model.worker.conftest import fake_model
from tests.reliability.worker import rule

_LABEL = re.compile(r"Story (\d+):")


class TimedEngine(FakeEngine):
    """Notes when answers began and ended."""

    def __init__(self, times: TextIO, *, rate: float, slots: int) -> None:
        super().__init__(replies=rule, tokens_per_second=rate, slots=slots, queue_limit=4 * slots)
        self._times = times

    async def _steps(self, request: GenerationRequest, seat: Seat) -> AsyncGenerator[Step, None]:
        first = last = 0.0
        steps = super()._steps(request, seat)
        try:
            async for step in steps:
                last = time.time()
                first = first or last
                yield step
        finally:  # whoever has the last step asks for no further one
            await steps.aclose()
            if first and (label := _LABEL.match(rule(request.messages))):
                self._times.write(f"{label[1]} {first:.4f} {last:.4f}\n")


async def serve(port: int, times: TextIO, rate: float, slots: int) -> None:
    """Until the process ends."""
    worker = Worker()
    runner = web.AppRunner(build_app(worker, token=None), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    await worker.open([fake_model(TimedEngine(times, rate=rate, slots=slots))])
    await asyncio.Event().wait()


def main() -> None:
    """Parse the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--times", type=Path, required=True)
    options = parser.parse_args()
    with options.times.open("a", buffering=1, encoding="ascii") as times:
        asyncio.run(serve(options.port, times, options.rate, options.slots))


if __name__ == "__main__":
    main()

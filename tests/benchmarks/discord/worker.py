"""The fake worker as a process: `python -m tests.benchmarks.discord.worker --rate 30 --slots 100 --times FILE`.

It prints its address, serves until its standard input is closed, and leaves a JSON file: for each request the text
that it answers with begins with, and when each of its tokens came, in seconds of the machine's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from model.engine.base import GenerationRequest, Step
from model.engine.fake import FakeEngine
from model.engine.slots import Seat
from tests.benchmarks.discord.stories import reply
from tests.model.worker.conftest import fake_model, listening


class TimedEngine(FakeEngine):
    """Notes when each token was there."""

    def __init__(self, *, rate: float, slots: int) -> None:
        super().__init__(replies=reply, tokens_per_second=rate, slots=slots, queue_limit=4 * slots)
        self.times: list[tuple[str, list[float]]] = []

    async def _steps(self, request: GenerationRequest, seat: Seat) -> AsyncGenerator[Step, None]:
        times: list[float] = []
        self.times.append((reply(request.messages)[:20], times))
        async for step in super()._steps(request, seat):
            times.append(time.time())
            yield step


async def serve(rate: float, slots: int, times: Path) -> None:
    """Until the standard input is closed."""
    engine = TimedEngine(rate=rate, slots=slots)
    async with listening([fake_model(engine)]) as running:
        print(running.url, flush=True)  # noqa: T201
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
        await ended.wait()
    times.write_text(json.dumps(engine.times), encoding="utf-8")


def main() -> None:
    """Parse the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--times", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.rate, options.slots, options.times))


if __name__ == "__main__":
    main()

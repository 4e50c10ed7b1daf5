"""The worker beside its peers: every way of generating starts once, then they take turns.

They go in rounds, the other way round every second time, and only one of them works at any moment.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from model.embedded import prepare
from model.loading import LoadedModel, load
from model.preflight import check
from model.preset import Preset
from model.serving import served_models
from model.settings import WorkerSettings
from tests.benchmarks import servers, ways
from tests.benchmarks.figures import Figures, Round, one_after_the_other
from tests.benchmarks.sharing import Sharing, measure_sharing
from tests.benchmarks.ways import ARTICLE, ENGINE, GENERATE, PEER, WORKER
from tests.benchmarks.workload import (
    Workload,
    generate_fields,
    openai_fields,
    plain_preset,
)

Ask = Callable[[int], Awaitable[Round]]
"""Has so many requests answered at once."""
_SHARING_SECONDS = 40.0
"""To be left for prefix sharing."""


class Comparison:
    """One run: what is compared, and the figures so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        """`options`: those of `tests.benchmarks.worker`."""
        self.options = options
        self.figures: dict[tuple[str, int], Figures] = {}
        """By way and number of streams."""
        self.loop_shares: dict[int, list[float]] = {}
        """CPU time of the worker's event loop to that of its engine, by number of streams."""
        self.serve_options: list[str] = []
        """What `transformers serve` was started with."""
        self.sharing: Sharing | None = None
        self.rounds = 0

    async def run(self) -> None:
        """Start everything, measure in turns, and stop everything.

        No round is begun that would not end in time, but for the first.
        """
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            asks = await self._start(stack)
            for way, ask in asks.items():
                _say(f"warming up: {way}")
                await ask(1)
            self.loop_shares.clear()
            for number in range(self.options.rounds):
                before = time.monotonic()
                await self._round(number, asks)
                self.rounds = number + 1
                now = time.monotonic()
                if now + (now - before) > began + 60 * self.options.minutes - _SHARING_SECONDS:
                    break
        if self.options.prefix_tokens:
            _say(f"prefix sharing on {self.options.prefix_preset}")
            self.sharing = await self._share()

    async def _start(self, stack: AsyncExitStack) -> dict[str, Ask]:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fanfabler-benchmark-")))
        options, preset = self.options, plain_preset(self.options.preset, folder)
        check(preset, **_places(), random_weights=options.random_weights)
        served = served_models(self._load(preset))[-1]
        plain = self._load(preset, packed=False)
        work = Workload(
            preset,
            served.codec,
            prompt_tokens=options.prompt_tokens,
            tokens=options.tokens,
            greedy=options.greedy,
        )
        http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        )
        asks: dict[str, Ask] = {
            GENERATE: lambda count: asyncio.to_thread(ways.by_generate, plain.base, work, count),
            ARTICLE: lambda count: asyncio.to_thread(
                ways.by_the_article, plain.base, plain.tokenizer, work, count
            ),
        }
        if PEER not in options.without:
            asks[PEER] = await self._start_peer(stack, http, folder, plain, served.engine, work)
        if WORKER not in options.without:
            asks[WORKER] = await self._start_worker(stack, http, folder, preset, work)
        if ENGINE not in options.without:
            await served.engine.start()
            stack.push_async_callback(served.engine.close)
            asks[ENGINE] = lambda streams: ways.by_engine(served.engine, work, streams)
        return {way: ask for way, ask in asks.items() if way not in options.without}

    def _load(self, preset: Preset, *, packed: bool = True) -> LoadedModel:
        return load(preset, **_places(), random_weights=self.options.random_weights, packed=packed)

    async def _start_peer(
        self,
        stack: AsyncExitStack,
        http: aiohttp.ClientSession,
        folder: Path,
        plain: LoadedModel,
        engine: Any,
        work: Workload,
    ) -> Ask:
        places = _places()
        embedded = plain.preset.base.source == "embedded" and not plain.random_weights
        source = prepare(places["embedded_source"], places["cache"]) if embedded else None
        model = servers.model_folder(plain.preset, plain.base, plain.tokenizer, source, folder / "model")
        dtype = str(plain.base.dtype).removeprefix("torch.")
        self.serve_options = servers.serve_options(engine.size, dtype, self.options.serve_sizes)
        url = await stack.enter_async_context(
            servers.transformers_serve(model, folder / "transformers.log", self.serve_options)
        )
        fields = servers.serve_fields(model, generate_fields(work.sampling), work.tokens)
        return lambda streams: ways.by_http(http, url, fields, work, streams)

    async def _start_worker(
        self,
        stack: AsyncExitStack,
        http: aiohttp.ClientSession,
        folder: Path,
        preset: Preset,
        work: Workload,
    ) -> Ask:
        worker = await stack.enter_async_context(
            servers.our_worker(preset, folder / "worker.log", random_weights=self.options.random_weights)
        )
        fields = {**openai_fields(work.sampling), "stream_options": {"include_usage": True}}

        async def ask(streams: int) -> Round:
            before = await worker.clocks()
            measured = await ways.by_http(http, worker.url, fields, work, streams)
            after = await worker.clocks()
            loop, engine = (after[kind] - before[kind] for kind in ("loop", "engine"))
            self.loop_shares.setdefault(streams, []).append(loop / engine)
            return measured

        return ask

    async def _round(self, number: int, asks: dict[str, Ask]) -> None:
        for streams in self.options.streams:
            for way in asks if number % 2 == 0 else reversed(asks):
                alone = way in {GENERATE, ARTICLE}
                if alone and streams != self.options.streams[0]:
                    continue
                measured = await asks[way](1 if alone else streams)
                self._note(way, 1 if alone else streams, measured)
                speed = f"{measured.tokens_per_second:.1f} tokens/s"
                _say(f"round {number + 1}, {streams} at once, {way}: {speed}")

    def _note(self, way: str, streams: int, measured: Round) -> None:
        self._of(way, streams).rounds.append(measured)
        if way == ARTICLE:
            for more in self.options.streams:
                if more > 1:
                    reckoned = one_after_the_other(measured.answers, measured.seconds, more)
                    self._of(way, more, reckoned=True).rounds.append(reckoned)

    def _of(self, way: str, streams: int, *, reckoned: bool = False) -> Figures:
        return self.figures.setdefault((way, streams), Figures(way, streams, reckoned=reckoned))

    async def _share(self) -> Sharing:
        options = self.options
        with tempfile.TemporaryDirectory(prefix="fanfabler-benchmark-") as name:
            preset = plain_preset(options.prefix_preset, Path(name))
            return await measure_sharing(
                preset,
                Path(name) / "worker.log",
                prefix_tokens=options.prefix_tokens,
                pairs=options.prefix_pairs,
            )


def _places() -> dict[str, Path | None]:
    settings = WorkerSettings()
    return {"embedded_source": settings.embedded_model_path, "cache": settings.fanfabler_cache}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201

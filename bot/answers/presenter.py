"""Shows an answer as it grows, at the pace that Discord bears: the first text at once, then edits, never one with
unchanged text. What is shown is stored first, so a killed process never showed what the next one does not know."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from bot.answers.stage import Phase, Scene
from bot.text.pacing import Budget, Pacer
from bot.text.rate_limit import parse_rate_limit_headers

# Paths of Discord's REST API, whatever stands before them.
_MESSAGES = re.compile(r"/channels/(?P<channel>[0-9]+)/messages(?:/(?P<message>[0-9]+))?$")
# Answers to interactions do not count towards the limit on all requests.
_UNCOUNTED = re.compile(r"/(?:interactions|webhooks)/")


class Pace:
    """How fast all answers of the process together may be shown."""

    def __init__(self, budget: Budget | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget or Budget()
        self.now = clock

    def open(self, place: str) -> Pacer:
        """Pace one more answer, in the channel of this id."""
        return self._budget.open(place)

    async def final_turn(self, place: str, text: str) -> None:
        """Return when a final text may be shown there."""
        pacer = self._budget.open(place)
        try:
            while True:
                decision = pacer.due(self.now(), text, finished=True, redraw=True)
                if decision.send:
                    return
                await asyncio.sleep(max(0.0, decision.at - self.now()))
        finally:
            pacer.close()

    def observe(self, method: str, path: str, status: int, headers: Mapping[str, str]) -> None:
        """Take in what a response of Discord says about its limits."""
        messages = _MESSAGES.search(path)
        paced = messages is not None and method in ("POST", "PATCH")
        if not paced and not _UNCOUNTED.search(path):
            self._budget.spend(self.now())
        limit = parse_rate_limit_headers(headers)
        if limit is None or (status != 429 and not (messages and method == "PATCH")):
            return
        self._budget.observe(messages["channel"] if messages else limit.bucket, limit, self.now())


class Presenter:
    """One answer's growing text on its way to the thread."""

    def __init__(self, scene: Scene, pace: Pace, save: Callable[[str], Awaitable[None]]) -> None:
        self._scene = scene
        self._pace = pace
        self._save = save
        self._raw = ""
        self._text = ""
        self._news = asyncio.Event()
        self._ended = False

    def offer(self, raw: str, shown: str) -> None:
        """The answer so far: as the model said it, and what of it may be shown."""
        self._raw, self._text = raw, shown.strip()
        self._news.set()

    def end(self) -> None:
        """Nothing more comes: `run` returns as soon as what it is just showing is shown."""
        self._ended = True
        self._news.set()

    async def run(self) -> None:
        """Show what is offered until `end`.

        Raises:
            StageError, LeaseLost: showing on makes no sense.
        """
        pacer = self._pace.open(self._scene.place)
        try:
            while not self._ended:
                self._news.clear()
                decision = pacer.due(self._pace.now(), self._text)
                if decision.send:
                    await self._show(pacer)
                else:
                    await self._wait(decision.at)
        finally:
            pacer.close()

    async def _show(self, pacer: Pacer) -> None:
        raw, text = self._raw, self._text
        try:
            await self._save(raw)
            await self._scene.show(text, Phase.WRITING)
        except BaseException:
            pacer.failed()
            raise

    async def _wait(self, at: float) -> None:
        """Until then, or until there is more text."""
        with suppress(TimeoutError):
            patience = None if at == math.inf else max(0.0, at - self._pace.now())
            async with asyncio.timeout(patience):
                await self._news.wait()

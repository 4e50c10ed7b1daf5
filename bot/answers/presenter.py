"""Shows an answer as it grows, at the pace that Discord bears: the first text at once, then edits, never one with
unchanged text. What is shown is stored first, so a killed process never showed what the next one does not know."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar

from bot.answers.stage import Phase, Scene
from bot.database.turns import Urgency, waiting_as
from bot.text.pacing import Budget, Pacer
from bot.text.rate_limit import parse_rate_limit_headers

# Paths of Discord's REST API, whatever stands before them.
_MESSAGES = re.compile(r"/channels/(?P<channel>[0-9]+)/messages(?:/(?P<message>[0-9]+))?$")
# Answers to interactions do not count towards the limit on all requests.
_UNCOUNTED = re.compile(r"/(?:interactions|webhooks)/")
# How many requests that show no answer may stand in line at a time, and of them those that nobody waits for.
_LANES = 4
_PATIENT_LANES = 3

_counted: ContextVar[bool] = ContextVar("counted_already", default=False)


class Pace:
    """How fast all answers of the process together may be shown."""

    def __init__(self, budget: Budget | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget or Budget()
        self._lanes, self._patient_lanes = asyncio.Semaphore(_LANES), asyncio.Semaphore(_PATIENT_LANES)
        self.now = clock

    def open(self, place: str) -> Pacer:
        """Pace one more answer, in the channel of this id."""
        return self._budget.open(place)

    async def final_turn(self, place: str, text: str, requests: int = 1) -> None:
        """Return when a final text may be shown there, in so many requests."""
        pacer = self._budget.open(place)
        try:
            while True:
                decision = pacer.due(self.now(), text, finished=True, redraw=True, requests=requests)
                if decision.send:
                    return
                await asyncio.sleep(max(0.0, decision.at - self.now()))
        finally:
            pacer.close()

    @asynccontextmanager
    async def beside(self, place: str, *, waited_for: bool = False) -> AsyncIterator[None]:
        """Enter when one request in that channel may be sent that shows no answer. A few stand in line at a time,
        between first and final texts: hundreds may be due at once, and Discord refuses those beyond its limit. What
        somebody waits for passes by what nobody does."""
        async with nullcontext() if waited_for else self._patient_lanes, self._lanes:
            await self.final_turn(place, "…")
            token = _counted.set(True)
            try:
                yield
            finally:
                _counted.reset(token)

    def spare(self) -> bool:
        """Whether Discord can be asked for something that may as well be left."""
        return self._budget.spare(self.now())

    def begins(self, method: str, path: str) -> None:
        """A request to Discord goes out."""
        if _UNCOUNTED.search(path):
            return
        if _counted.get() or (_MESSAGES.search(path) and method in ("POST", "PATCH")):
            self._budget.sent(self.now())
        else:
            self._budget.spend(self.now())

    def observe(self, method: str, path: str, status: int, headers: Mapping[str, str]) -> None:
        """Take in what a response of Discord says about its limits."""
        messages = _MESSAGES.search(path)
        limit = parse_rate_limit_headers(headers)
        if limit is None or (status != 429 and not (messages and method == "PATCH")):
            return
        self._budget.observe(messages["channel"] if messages else limit.bucket, limit, self.now())


class Presenter:
    """One answer's growing text on its way to the thread. `shown` is set once some of it is to be seen."""

    def __init__(
        self,
        scene: Scene,
        pace: Pace,
        save: Callable[[str], Awaitable[None]],
        shown: asyncio.Event | None = None,
    ) -> None:
        self._scene = scene
        self._pace = pace
        self._save = save
        self._shown = shown or asyncio.Event()
        self._raw = ""
        self._text = ""
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    def offer(self, raw: str, shown: str) -> None:
        """The answer so far: as the model said it, and what of it may be shown."""
        self._raw, self._text = raw, shown.strip()
        self._news.set()

    def end(self) -> None:
        """Nothing more comes: `run` returns as soon as what it is just showing is shown."""
        self._ended.set()
        self._news.set()

    async def run(self) -> None:
        """Show what is offered until `end`.

        Raises:
            StageError, LeaseLost: showing on makes no sense.
        """
        pacer = self._pace.open(self._scene.place)
        try:
            while not self._ended.is_set():
                self._news.clear()
                at = pacer.ready_at(self._pace.now(), self._text)
                if at > self._pace.now():
                    # Once there is something to show at a time that is known, more of it changes nothing.
                    known = self._shown.is_set() and at != math.inf
                    await self._wait(at, self._ended if known else self._news)
                else:
                    urgency = Urgency.PATIENT if self._shown.is_set() else Urgency.URGENT
                    with waiting_as(urgency):
                        await self._show(pacer)
        finally:
            pacer.close()

    async def _show(self, pacer: Pacer) -> None:
        """Store the text as it is now; show it when its turn has come."""
        text = self._text
        await self._store(self._raw, text)
        requests = self._scene.cost(text)
        while not (decision := pacer.due(self._pace.now(), text, requests=requests)).send:
            await self._wait(decision.at, self._ended)
            if self._ended.is_set():
                return
        try:
            await self._scene.show(text, Phase.WRITING)
        except BaseException:
            pacer.failed()
            raise
        self._shown.set()

    async def _store(self, raw: str, text: str) -> None:
        """Store the text, and have the scene prepared for the first one meanwhile."""
        if self._shown.is_set():
            await self._save(raw)
            return
        preparing = asyncio.create_task(self._scene.prepare(text), name="prepare")
        try:
            await self._save(raw)
            await preparing
        finally:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)

    async def _wait(self, at: float, event: asyncio.Event) -> None:
        """Until then, or until the event."""
        with suppress(TimeoutError):
            patience = None if at == math.inf else max(0.0, at - self._pace.now())
            async with asyncio.timeout(patience):
                await event.wait()

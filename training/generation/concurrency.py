"""How many calls may be under way: additive increase, multiplicative decrease, and pauses the server asks for.

`Window` is the rule and knows no clock; `Limiter` makes calls wait by it.
Source of the rule: Chiu and Jain, «Analysis of the Increase and Decrease Algorithms for Congestion Avoidance»
(1989), with TCP's slow start until the first congestion.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from training.generation.errors import Stopped

START, CEILING = 8, 128
SHRINK = 0.5


@dataclass(slots=True)
class Window:
    """How many calls may be under way at once: `limit`, rounded down."""

    ceiling: int = CEILING
    limit: float = START
    congested: bool = False
    """Whether there has ever been congestion; before it, the window doubles instead of growing by one."""

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.ceiling)

    def succeeded(self, under_way: int) -> None:
        """A call came back while `under_way` were out, itself included. Grows only a window that is half in use."""
        if under_way < self.limit / 2:
            return
        # One more per answer doubles the window in a round trip, 1/limit more adds one to it.
        step = 1 / self.limit if self.congested else 1.0
        self.limit = min(self.ceiling, self.limit + step)

    def shrink(self) -> None:
        """The server had too much."""
        self.congested = True
        self.limit = max(1.0, self.limit * SHRINK)


class Limiter:
    """Lets calls begin, those of the highest priority first, as the window and the server's pauses allow."""

    def __init__(self, window: Window, clock: Callable[[], float] = time.monotonic) -> None:
        self.window = window
        self.under_way = 0
        self.shrunk = 0
        """How often the window shrank."""
        self._clock = clock
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._open_at = 0.0
        self._shrunk_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: Stopped | None = None
        self._stopping = asyncio.Event()

    @property
    def stopped(self) -> Stopped | None:
        """Why no further call begins."""
        return self._stopped

    @contextlib.asynccontextmanager
    async def turn(self, priority: int) -> AsyncIterator[float]:
        """A place among the calls under way; gives the time at which the call begins. Raises `Stopped`."""
        await self._wait(priority)
        try:
            yield self._clock()
        finally:
            self._leave()

    def succeeded(self) -> None:
        """The call that holds a turn was answered."""
        self.window.succeeded(self.under_way)

    def overloaded(self, begun_at: float, retry_after: float | None) -> None:
        """The call that began then was refused for now, or timed out; `retry_after` in seconds.

        Calls that were out together tell of one congestion, so only one that began since counts again.
        """
        now = self._clock()
        if begun_at > self._shrunk_at:
            self.window.shrink()
            self.shrunk += 1
            self._shrunk_at = now
        if retry_after is not None:
            self._open_at = max(self._open_at, now + retry_after)

    async def rest(self, seconds: float) -> None:
        """Wait, but no longer than until a stop, which raises `Stopped`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        if self._stopped is not None:
            raise self._stop_word()

    def stop(self, why: Stopped) -> None:
        """Let nothing begin any more. What is under way goes on."""
        self._stopped = self._stopped or why
        self._stopping.set()
        for _, _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(self._stop_word())
        self._waiting.clear()

    def close(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def _wait(self, priority: int) -> None:
        if self._stopped is not None:
            raise self._stop_word()
        if not self._waiting and self._has_room():
            self.under_way += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, next(self._order), waiter))
        self._admit()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._leave()
            raise

    def _leave(self) -> None:
        self.under_way -= 1
        self._admit()

    def _has_room(self) -> bool:
        return self.under_way < int(self.window.limit) and self._clock() >= self._open_at

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self.under_way += 1
                waiter.set_result(None)
        pause = self._open_at - self._clock()
        if self._waiting and pause > 0:
            self.close()
            self._timer = asyncio.get_running_loop().call_later(pause, self._admit)

    def _stop_word(self) -> Stopped:
        """One exception each: a shared one would collect every waiter's traceback."""
        why = self._stopped
        return type(why)(str(why)) if why is not None else Stopped()

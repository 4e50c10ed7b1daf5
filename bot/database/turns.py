"""Whose turn it is, where only one can go at a time: the more urgent before those who ask at the same time, but nobody
is passed by for long."""

from __future__ import annotations

import asyncio
import enum
import heapq
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from itertools import count


class Urgency(enum.Enum):
    """How long something can wait: by so many seconds it lets others go first."""

    URGENT = 0.0  # somebody looks at an empty thread
    NORMAL = 0.15
    PATIENT = 0.5  # a later one would do as well


_urgency: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.NORMAL)


@contextmanager
def waiting_as(urgency: Urgency) -> Iterator[None]:
    """What is done in here takes its turns with this urgency."""
    token = _urgency.set(urgency)
    try:
        yield
    finally:
        _urgency.reset(token)


def urgency() -> Urgency:
    """With what urgency turns are taken here."""
    return _urgency.get()


class Turns:
    """A lock. Not for tasks that already hold it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held = False
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold it, as soon as it is one's turn."""
        await self._acquire()
        try:
            yield
        finally:
            self._release()

    async def _acquire(self) -> None:
        if not self._held:
            self._held = True
            return
        granted = asyncio.get_running_loop().create_future()
        due = self._clock() + _urgency.get().value
        heapq.heappush(self._waiting, (due, next(self._order), granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        """Hand it on; it is held all the while, so that nobody comes in between."""
        while self._waiting:
            _, _, granted = heapq.heappop(self._waiting)
            if not granted.done():
                granted.set_result(None)
                return
        self._held = False

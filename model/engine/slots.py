"""The places in an engine: how many requests run at once, how many may wait, and in which order they come in.

Kept apart from the engines so that the fake one queues exactly as the real one does. One event loop only.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass

from model.engine.errors import QueueFull


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is, in requests."""

    running: int
    waiting: int
    slots: int


class Seat:
    """One request's place, from the moment it is accepted until `release`."""

    __slots__ = ("_accepted", "_granted", "_slots", "_started", "_state")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._state = "waiting"
        self._granted: asyncio.Event = asyncio.Event()
        self._accepted = time.monotonic()
        self._started = 0.0

    @property
    def waiting(self) -> bool:
        """Whether its turn has yet to come."""
        return self._state == "waiting"

    @property
    def waited(self) -> float:
        """Seconds from being accepted until its turn came, or until now."""
        return (self._started or time.monotonic()) - self._accepted

    async def granted(self) -> None:
        """Wait until it is this request's turn."""
        await self._granted.wait()

    def release(self) -> None:
        """Give the place back, whether it ran, waited, or was released before."""
        self._slots._release(self)


class Slots:
    """First come, first served; at most `slots` at once and `queue_limit` waiting."""

    def __init__(self, slots: int, queue_limit: int) -> None:
        self.slots = slots
        self.queue_limit = queue_limit
        self._running = 0
        self._waiting: deque[Seat] = deque()
        self._mean_seconds = 5.0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def load(self) -> EngineLoad:
        return EngineLoad(running=self._running, waiting=len(self._waiting), slots=self.slots)

    async def idle(self) -> None:
        """Wait until nothing runs and nothing waits."""
        await self._idle.wait()

    def reserve(self) -> Seat:
        """Take a place at once, running or waiting.

        Raises `QueueFull` where neither is free.
        """
        seat = Seat(self)
        if self._running < self.slots:
            self._grant(seat)
        elif len(self._waiting) < self.queue_limit:
            self._waiting.append(seat)
        else:
            raise QueueFull(
                f"All {self.slots} slots are taken and {len(self._waiting)} requests wait already.",
                retry_after=self.expected_wait(),
            )
        self._idle.clear()
        return seat

    def expected_wait(self) -> float:
        """Seconds until one more request would run, from the mean length of those that have ended."""
        if self._running < self.slots:
            return 0.0
        return max(1.0, math.ceil(self._mean_seconds * (len(self._waiting) + 1) / self.slots))

    def _grant(self, seat: Seat) -> None:
        self._running += 1
        seat._state = "running"
        seat._started = time.monotonic()
        seat._granted.set()

    def _release(self, seat: Seat) -> None:
        if seat._state == "running":
            self._running -= 1
            self._mean_seconds += 0.1 * (time.monotonic() - seat._started - self._mean_seconds)
            if self._waiting:
                self._grant(self._waiting.popleft())
        elif seat._state == "waiting":
            self._waiting.remove(seat)
        seat._state = "released"
        if not self._running and not self._waiting:
            self._idle.set()

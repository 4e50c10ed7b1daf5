"""The answers that are being written, and how they end when the worker stops or is put to sleep.

Those that wait in the queue are handed back at once, so that their clients can go elsewhere. Those that run have
a time of grace; what is not done then is handed back as well. Handed back means: the client is told, in the shape
of an error, that it may ask again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from model.engine.base import Generation
from model.server.errors import unavailable

_LAST_WORDS = 2.0
"""Seconds to tell the clients that their answers end."""
STOPPING = "The worker is stopping; please ask again."
RETRY_SECONDS = 5.0


class RunningAnswers:
    """Every answer that is under way. One event loop only."""

    def __init__(self) -> None:
        self._limits: dict[asyncio.Timeout, Generation] = {}
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._farewell = (STOPPING, "worker_stopping")

    def __len__(self) -> int:
        return len(self._limits)

    @contextlib.asynccontextmanager
    async def under_way(self, generation: Generation) -> AsyncIterator[None]:
        """The block that writes one answer. Raises `ApiError` within it when the answer is handed back."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits[limit] = generation
                self._none_left.clear()
                yield
        except TimeoutError:
            if limit.expired():
                message, code = self._farewell
                raise unavailable(message, code=code, retry_after=RETRY_SECONDS) from None
            raise
        finally:
            self._limits.pop(limit, None)
            if not self._limits:
                self._none_left.set()

    async def end(self, grace: float, message: str = STOPPING, code: str = "worker_stopping") -> int:
        """Let the running answers end within `grace` seconds; how many were handed back. No more may begin.

        `message` and `code` are what those are told whose answers are handed back.
        """
        self._farewell = (message, code)
        now = asyncio.get_running_loop().time()
        waiting = [limit for limit, generation in self._limits.items() if generation.waiting]
        self._hand_back(waiting, now)
        if await self._settled(grace):
            return len(waiting)
        late = list(self._limits)
        self._hand_back(late, now)
        await self._settled(_LAST_WORDS)
        return len(waiting) + len(late)

    @staticmethod
    def _hand_back(limits: list[asyncio.Timeout], when: float) -> None:
        for limit in limits:
            if not limit.expired():
                limit.reschedule(when)

    async def _settled(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none_left.wait(), seconds)
        return not self._limits

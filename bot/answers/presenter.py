"""Shows an answer as it grows, at the pace that Discord bears: the first text at once, then edits, never one with
unchanged text. What is shown is stored first, so a killed process never showed what the next one does not know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from bot.answers.stage import Phase, Scene


class Pace:
    """The spacing of edits, shared by all answers of the process."""

    floor = 0.7

    def observe(self, method: str, path: str, status: int, headers: Mapping[str, str]) -> None:
        """Take in a response's rate-limit headers."""


class Presenter:
    """One answer's growing text on its way to the thread."""

    def __init__(self, scene: Scene, pace: Pace, save: Callable[[str], Awaitable[None]]) -> None:
        self._scene = scene
        self._pace = pace
        self._save = save
        self._raw = ""
        self._text = ""
        self._news = asyncio.Event()

    def offer(self, raw: str, shown: str) -> None:
        """The answer so far: as the model said it, and what of it may be shown."""
        self._raw, self._text = raw, shown
        self._news.set()

    async def run(self) -> None:
        """Show what is offered until cancelled.

        Raises:
            StageError, LeaseLost: showing on makes no sense.
        """
        last, last_at = "", 0.0
        while True:
            await self._news.wait()
            wait = last_at + self._pace.floor - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._news.clear()
            raw, text = self._raw, self._text.strip()
            if not text or text == last:
                continue
            await self._save(raw)
            await self._scene.show(text, Phase.WRITING)
            last, last_at = text, time.monotonic()

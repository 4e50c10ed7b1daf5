"""What of a growing answer may be shown: only what has been judged, sentence by sentence.

One request is under way at a time; what has come in the meantime is judged together with the next one, so a slow
service makes the steps longer and holds up nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.database.tables import Direction, Rating
from bot.moderation.guard import Guard, OutputBlocked
from bot.moderation.service import Passage
from bot.text.breaks import LINE, SENTENCE

# Text without the end of a sentence is judged when it gets this long.
_LONGEST_WAIT = 400


class Clearance:
    """Takes an answer as it grows and hands on what is cleared of it; all of it where there is no moderation service.
    What may be shown is always the beginning of the raw text, so one length says how much of either is cleared; of an
    answer that is gone on with, so much was before."""

    def __init__(
        self,
        guard: Guard,
        rating: Rating,
        question: str,
        show: Callable[[str, str], None],
        *,
        cleared: int = 0,
    ) -> None:
        self._guard = guard
        self._rating = rating
        self._question = question
        self._show = show
        self._shown = ""
        self._news = asyncio.Event()
        self.cleared = cleared

    def offer(self, raw: str, shown: str) -> None:
        """The answer so far: as the model said it, and what of it may be shown once it is cleared."""
        if self._guard.moderated:
            self._shown = shown
            self._news.set()
        else:
            self.cleared = len(raw)
            self._show(raw, shown)

    async def run(self) -> None:
        """Judge what is offered, until cancelled.

        Raises:
            OutputBlocked: it must not be shown. ModerationAway: nobody knows, and it has to be known.
        """
        while True:
            self._news.clear()
            end = judgeable(self._shown, self.cleared)
            if end > self.cleared:
                await self._clear(self._shown, end)
            else:
                await self._news.wait()

    async def finish(self, raw: str) -> None:
        """Judge all that is left of the whole answer, the look-up that it asks for too. `run` must have ended.

        Raises:
            OutputBlocked, ModerationAway: as `run`.
        """
        await self._clear(raw, len(raw), show=False)

    async def _clear(self, text: str, end: int, *, show: bool = True) -> None:
        passage = Passage(
            text[self.cleared : end],
            Direction.OUTPUT,
            before=text[: self.cleared],
            question=self._question,
        )
        if found := await self._guard.judge(passage, self._rating):
            raise OutputBlocked(found)
        self.cleared = end
        if show:
            self._show(text[:end], text[:end])


def judgeable(text: str, start: int) -> int:
    """Where the part of a growing text that is worth judging ends: behind its last whole sentence or line; where that
    is long in coming, behind the last word. `start` where there is nothing yet."""
    ends = [match.end() for pattern in (SENTENCE, LINE) for match in pattern.finditer(text, start)]
    if ends:
        return max(ends)
    if len(text) - start < _LONGEST_WAIT:
        return start
    blank = text.rfind(" ", start)
    return blank if blank > start else len(text)

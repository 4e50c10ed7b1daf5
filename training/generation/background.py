"""What a look-up finds: a page of Wikipedia, else one of the bundled notes; each looked up once and kept.

A note's `source` says which it is: `wikipedia` with address and revision, or `written` for the bundled notes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from model.errors import WikipediaUnavailable
from model.wikipedia import BundledNotes, CanonSource, Page
from model.wikipedia.client import cache_key
from training.chats import BackgroundNote
from training.generation.errors import CallFailed
from training.generation.journal import Journal

log = logging.getLogger(__name__)

TRIES = 4
LONGEST_PAUSE = 120.0
"""Seconds that are waited, at most, where Wikipedia asks for a pause."""
OUT_OF_REACH = 3
"""Failures in a row after which Wikipedia is not asked any more in this run."""


class Background:
    """Looks works up, in the language asked for and in no other."""

    def __init__(
        self,
        journal: Journal,
        wikipedia: CanonSource | None,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
        notes: CanonSource | None = None,
    ) -> None:
        """Without `wikipedia` the bundled notes alone are asked. `rest` waits for some seconds."""
        self.sources: Counter[str] = Counter()
        """How many of this run's look-ups were answered by `wikipedia`, `bundled` or `nothing`."""
        self._journal = journal
        self._wikipedia = wikipedia
        self._rest = rest
        self._notes = BundledNotes() if notes is None else notes
        self._flights: dict[str, asyncio.Task[BackgroundNote | None]] = {}
        self._failures = 0

    @property
    def out_of_reach(self) -> bool:
        """Whether Wikipedia has been given up in this run."""
        return self._failures >= OUT_OF_REACH

    async def first(self, terms: Sequence[str], language: str) -> tuple[str, BackgroundNote] | None:
        """The first of these terms that something is found for, and what. Raises `CallFailed`."""
        for term in dict.fromkeys(terms):
            note = await self.find(term, language)
            if note is not None:
                return term, note
        return None

    async def find(self, term: str, language: str) -> BackgroundNote | None:
        """What is found for a term; None for nothing in this language.

        Raises `CallFailed` where Wikipedia cannot be asked and there is no bundled note either.
        """
        slot = cache_key(term, language).replace(":", "/", 1)
        kept = self._journal.get(slot).note
        if kept is not None:
            return BackgroundNote(**kept["note"]) if kept["note"] else None
        flight = self._flights.get(slot)
        if flight is None:
            flight = self._flights[slot] = asyncio.create_task(self._look(slot, term, language))
            flight.add_done_callback(lambda done: self._landed(slot, done))
        return await asyncio.shield(flight)

    async def _look(self, slot: str, term: str, language: str) -> BackgroundNote | None:
        page = await self._page(term, language)
        note = None if page is None else _as_note(page)
        self.sources["nothing" if page is None else page.source] += 1
        fields: Any = None if note is None else note.model_dump(mode="json")
        await self._journal.noted(slot, {"note": fields, "from": page.source if page else None})
        return note

    async def _page(self, term: str, language: str) -> Page | None:
        page = await self._ask_wikipedia(term, language)
        if page is None or page.language != language:
            # Notes are in the chat's language; an English page in a Thai chat is not what we are after.
            page = await self._notes.lookup(term, language)
        if page is not None and page.language == language:
            return page
        if self._wikipedia is not None and self.out_of_reach:
            raise CallFailed(
                f"Wikipedia is out of reach, and there is no bundled note about «{term}» ({language})"
            )
        return None

    async def _ask_wikipedia(self, term: str, language: str) -> Page | None:
        for attempt in range(TRIES):
            if self._wikipedia is None or self.out_of_reach:
                return None
            try:
                page = await self._wikipedia.lookup(term, language)
            except WikipediaUnavailable as error:
                if error.retry_after is None:
                    self._failures += 1
                    log.info("%s", error)
                if not self.out_of_reach:
                    pause = 0.5 * 2**attempt if error.retry_after is None else error.retry_after
                    await self._rest(min(LONGEST_PAUSE, pause))
            else:
                self._failures = 0
                return page
        self._failures = OUT_OF_REACH
        return None

    def _landed(self, slot: str, flight: asyncio.Task[BackgroundNote | None]) -> None:
        del self._flights[slot]
        if not flight.cancelled():
            flight.exception()  # whoever waited has had it


def _as_note(page: Page) -> BackgroundNote:
    if page.source == "wikipedia":
        return BackgroundNote(
            title=page.title, text=page.extract, source="wikipedia", url=page.url, revision=page.revision
        )
    return BackgroundNote(title=page.title, text=page.extract, source="written")

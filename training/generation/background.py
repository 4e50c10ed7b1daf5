"""What a look-up finds: a page of Wikipedia, else one of the bundled notes; each looked up once and kept.

A note's `source` says which it is: `wikipedia` with address and revision, or `written` for the bundled notes. A bundled
one that stands in only because Wikipedia failed is kept for this run; a later one asks Wikipedia again.
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
"""Look-ups in a row that failed, with all their tries, after which Wikipedia is not asked any more in this run."""


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
        self._stood_in: set[str] = set()
        """Slots that a bundled note stands in for in this run, because Wikipedia failed."""

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
        if kept is not None and not (self._wikipedia and kept.get("stand_in") and slot not in self._stood_in):
            return BackgroundNote(**kept["note"]) if kept["note"] else None
        flight = self._flights.get(slot)
        if flight is None:
            flight = self._flights[slot] = asyncio.create_task(self._look(slot, term, language))
            flight.add_done_callback(lambda done: self._landed(slot, done))
        return await asyncio.shield(flight)

    async def _look(self, slot: str, term: str, language: str) -> BackgroundNote | None:
        page, failed = await self._page(term, language)
        note = None if page is None else _as_note(page)
        self.sources["nothing" if page is None else page.source] += 1
        fields: Any = None if note is None else note.model_dump(mode="json")
        value = {"note": fields, "from": page.source if page else None}
        if failed:
            self._stood_in.add(slot)
            value["stand_in"] = True
        await self._journal.noted(slot, value)
        return note

    async def _page(self, term: str, language: str) -> tuple[Page | None, bool]:
        """What is found, and whether Wikipedia failed and the bundled note stands in. Raises `CallFailed`."""
        page, failed = await self._ask_wikipedia(term, language)
        if page is None or page.language != language:
            # Notes are in the chat's language; an English page in a Thai chat is not what we are after.
            page = await self._notes.lookup(term, language)
        if page is not None and page.language == language:
            return page, failed
        if failed:
            raise CallFailed(
                f"Wikipedia is out of reach, and there is no bundled note about «{term}» ({language})"
            )
        return None, False

    async def _ask_wikipedia(self, term: str, language: str) -> tuple[Page | None, bool]:
        """What Wikipedia finds, and whether it failed."""
        if self._wikipedia is None:
            return None, False
        for attempt in range(TRIES):
            if self.out_of_reach:
                return None, True
            try:
                page = await self._wikipedia.lookup(term, language)
            except WikipediaUnavailable as error:
                log.info("%s", error)
                if attempt + 1 < TRIES and not self.out_of_reach:
                    pause = 0.5 * 2**attempt if error.retry_after is None else error.retry_after
                    await self._rest(min(LONGEST_PAUSE, pause))
            else:
                self._failures = 0
                return page, False
        self._failures += 1
        return None, True

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

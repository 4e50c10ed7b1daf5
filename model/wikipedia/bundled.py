"""The bundled notes as a source of pages, alone or behind Wikipedia."""

from __future__ import annotations

import logging

from model.catalogue import Note, find_note, find_property
from model.errors import WikipediaUnavailable
from model.wikipedia.page import CanonSource, Page

log = logging.getLogger(__name__)


class BundledNotes:
    """Looks works up in the notes of the catalogue: in the language asked, else in English."""

    async def lookup(self, term: str, language_code: str) -> Page | None:
        """The note about what `term` names as a page with source `bundled`; None where there is none."""
        note = find_note(term, language_code) or _english_note(term, language_code)
        return None if note is None else Page(note.title, note.language, note.text, source="bundled")


def _english_note(term: str, language_code: str) -> Note | None:
    work = find_property(term, language_code)
    return find_note(work.english_name, "en") if work is not None else None


class WithFallback:
    """Asks one source, and another where the first is out of reach or knows nothing."""

    def __init__(self, first: CanonSource, fallback: CanonSource) -> None:
        self._first = first
        self._fallback = fallback

    async def lookup(self, term: str, language_code: str) -> Page | None:
        """The page of whichever source has one. Raises `WikipediaUnavailable` only if neither can answer."""
        try:
            page = await self._first.lookup(term, language_code)
        except WikipediaUnavailable as error:
            page = await self._fallback.lookup(term, language_code)
            if page is None:
                raise
            log.info("%s; the bundled notes answer instead", error)
            return page
        return page if page is not None else await self._fallback.lookup(term, language_code)

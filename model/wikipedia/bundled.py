"""The bundled notes as a source of pages, alone or behind Wikipedia."""

from __future__ import annotations

import logging

from model.catalogue import Note, find_note, find_notes, find_property, titles_of_notes
from model.errors import WikipediaUnavailable
from model.wikipedia.page import Page, SearchableSource

log = logging.getLogger(__name__)

_MOST_HITS = 5


class BundledNotes:
    """Looks works up in the notes of the catalogue: in the language asked, else in English."""

    async def lookup(self, term: str, language_code: str) -> Page | None:
        """The note about what `term` names as a page with source `bundled`; None where there is none."""
        note = find_note(term, language_code) or _english_note(term, language_code)
        return None if note is None else Page(note.title, note.language, note.text, source="bundled")

    async def search(self, term: str, language_code: str) -> list[Page]:
        """The note that `lookup` finds, and further ones with the term in a name."""
        first = await self.lookup(term, language_code)
        others = [
            Page(note.title, note.language, note.text, source="bundled")
            for note in find_notes(term, language_code, _MOST_HITS)
        ]
        return [*([first] if first else []), *(page for page in others if page != first)][:_MOST_HITS]

    async def titles(self, prefix: str, language_code: str, limit: int = 10) -> list[str]:
        """Titles of notes that begin like `prefix`."""
        return titles_of_notes(prefix, language_code)[:limit]


def _english_note(term: str, language_code: str) -> Note | None:
    work = find_property(term, language_code)
    return find_note(work.english_name, "en") if work is not None else None


class WithFallback:
    """Asks one source, and another where the first is out of reach or knows nothing."""

    def __init__(self, first: SearchableSource, fallback: SearchableSource) -> None:
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

    async def search(self, term: str, language_code: str) -> list[Page]:
        """The pages of whichever source has some. Raises `WikipediaUnavailable` only if neither can answer."""
        try:
            pages = await self._first.search(term, language_code)
        except WikipediaUnavailable:
            pages = await self._fallback.search(term, language_code)
            if not pages:
                raise
            return pages
        return pages or await self._fallback.search(term, language_code)

    async def titles(self, prefix: str, language_code: str, limit: int = 10) -> list[str]:
        """The titles of the first source, or of the other where that one is out of reach."""
        try:
            return await self._first.titles(prefix, language_code, limit)
        except WikipediaUnavailable:
            return await self._fallback.titles(prefix, language_code, limit)

"""Looking a work up. An answer never waits long for it and never fails with it; what was found once is kept in the
bot's database."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from datetime import timedelta

import regex
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from bot.database.connection import Database
from bot.database.tables import CachedPage as CachedPageRow
from bot.database.tables import now
from model.catalogue import Property, load_properties
from model.errors import WikipediaUnavailable
from model.wikipedia import CachedPage, CanonSource, Page

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 12.0


class Canon:
    """Finds what there is to know about a work, in a source that may fail."""

    def __init__(self, source: CanonSource) -> None:
        self._source = source

    async def find(self, term: str, language: str, said: str = "") -> Page | None:
        """The page for a term in one of the forty languages; None where there is none, or none to be had now.

        Where the term leads nowhere, the work of the catalogue that `said` (the member's message) names is looked up.
        """
        page = await self._look_up(term, language)
        if page is None and (work := mentioned_work(said, language)) is not None:
            page = await self._look_up(work.wikipedia_title, language)
        return page

    async def _look_up(self, term: str, language: str) -> Page | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._source.lookup(term, language)
        except (WikipediaUnavailable, TimeoutError) as error:
            log.info("no page for a term in %s: %s", language, error or "too slow")
            return None


def mentioned_work(text: str, language: str) -> Property | None:
    """The work of the language's catalogue whose name stands in a text; the longest name, where several do."""
    folded = text.casefold()
    named = [
        (len(name), work)
        for work in load_properties(language)
        for name in {work.local_name, work.english_name}
        if len(name) > 1 and _stands_in(name.casefold(), folded)
    ]
    return max(named, key=lambda found: found[0])[1] if named else None


def _stands_in(name: str, text: str) -> bool:
    """Whether a name stands in a text by itself. Scripts without blanks between words cannot tell, so there it may
    stand in a word, as with the endings that Korean or Finnish add."""
    if not name.isascii():
        return name in text
    return regex.search(rf"(?<!\w){regex.escape(name)}(?!\w)", text) is not None


class DatabasePageCache:
    """Pages of Wikipedia in the bot's database. What cannot be read or kept is asked for again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> CachedPage | None:
        """What is known for a key, or None where nothing is or it has expired."""
        try:
            async with self._database.transaction() as session:
                row = await session.get(CachedPageRow, key)
                if row is None or row.expires_at <= now():
                    return None
                return CachedPage(None if row.page is None else Page(**row.page))
        except (SQLAlchemyError, TypeError) as error:
            log.warning("could not read the page cache: %s", error)
            return None

    async def put(self, key: str, page: Page | None, ttl: float) -> None:
        """Keep a page, or that there is none, for `ttl` seconds; forget what has expired."""
        row = CachedPageRow(
            key=key, page=None if page is None else asdict(page), expires_at=now() + timedelta(seconds=ttl)
        )
        try:
            async with self._database.transaction() as session:
                await session.execute(delete(CachedPageRow).where(CachedPageRow.expires_at <= now()))
                await session.merge(row)
        except SQLAlchemyError as error:
            log.warning("could not write the page cache: %s", error)

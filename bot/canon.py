"""Looking a work up: Wikipedia first, the bundled notes where it is out of reach. An answer never waits long for it
and never fails with it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from model.wikipedia import BundledNotes, CachedPage, Page, WikipediaClient
from sqlalchemy import delete

from bot.database.connection import Database
from bot.database.tables import CachedPage as CachedPageRow
from bot.database.tables import now
from model.errors import WikipediaUnavailable

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 12.0


class Canon:
    """Finds what there is to know about a work."""

    def __init__(self, wikipedia: WikipediaClient, bundled: BundledNotes) -> None:
        self._wikipedia = wikipedia
        self._bundled = bundled

    async def find(self, term: str, language: str) -> Page | None:
        """The page for a term in one of the forty languages, or None."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                page = await self._wikipedia.lookup(term, language)
        except (WikipediaUnavailable, TimeoutError) as error:
            log.info("Wikipedia (%s) is out of reach: %s", language, error or "too slow")
            return await self._bundled.lookup(term, language)
        return page


class DatabasePageCache:
    """Pages of Wikipedia in the bot's database, so that a look-up is asked for once in its life time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> CachedPage | None:
        """What is known for a key, or None where nothing is or it has expired."""
        async with self._database.transaction() as session:
            row = await session.get(CachedPageRow, key)
            if row is None or row.expires_at <= now():
                return None
            return CachedPage(_from_json(row.page))

    async def put(self, key: str, page: Page | None, ttl: float) -> None:
        """Keep a page, or that there is none, for `ttl` seconds; forget what has expired."""
        async with self._database.transaction() as session:
            await session.execute(delete(CachedPageRow).where(CachedPageRow.expires_at <= now()))
            await session.merge(
                CachedPageRow(key=key, page=_to_json(page), expires_at=now() + timedelta(seconds=ttl))
            )


def _to_json(page: Page | None) -> dict[str, Any] | None:
    return None if page is None else asdict(page)


def _from_json(page: dict[str, Any] | None) -> Page | None:
    return None if page is None else Page(**page)

"""Looking a work up. An answer never waits long for it and never fails with it; what was found once is kept in the
bot's database."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass
from datetime import timedelta

import regex
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from bot.database.connection import Database
from bot.database.tables import CachedPage as CachedPageRow
from bot.database.tables import CanonNote, now
from bot.errors import BotError
from bot.metrics.events import Events
from model.catalogue import Property, load_properties, search_properties
from model.errors import WikipediaUnavailable
from model.wikipedia import CachedPage, Page, SearchableSource

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 12.0
# Discord waits three for what completes a word that somebody types.
_SUGGESTING_SECONDS = 2.0
_LEAST_TYPED = 2
_FROM_CATALOGUE, MOST_SUGGESTIONS, _LONGEST = 15, 25, 100


class NothingFound(BotError):
    """There is no page for a term, or none to be had now."""


@dataclass(frozen=True)
class Suggestion:
    """A term to look up, and what it is called to members."""

    name: str
    term: str


class Canon:
    """Finds what there is to know about a work, in a source that may fail."""

    def __init__(self, source: SearchableSource, events: Events | None = None) -> None:
        self._source = source
        self._events = events or Events()

    async def find(self, term: str, language: str, said: str = "") -> Page | None:
        """The page for a term in one of the forty languages; None where there is none, or none to be had now.

        Where the term leads nowhere, the work of the catalogue that `said` (the member's message) names is looked up.
        """
        page = await self._look_up(term, language)
        if page is None and (work := mentioned_work(said, language)) is not None:
            page = await self._look_up(work.wikipedia_title, language)
        return page

    async def search(self, term: str, language: str) -> list[Page]:
        """All pages for what a member typed, the best first; none where there are none, or none to be had now."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._source.search(term, language)
        except (WikipediaUnavailable, TimeoutError) as error:
            log.info("no pages for a term in %s: %s", language, error or "too slow")
            return []

    async def suggest(self, typed: str, language: str) -> list[Suggestion]:
        """What a member may mean who has typed this: works of the catalogue, then titles of Wikipedia, where those come
        within two seconds."""
        found = [_suggestion(work, language) for work in search_properties(typed, language)]
        suggestions = [each for each in found if len(each.term) <= _LONGEST][:_FROM_CATALOGUE]
        if len(typed.strip()) >= _LEAST_TYPED or not typed.isascii():
            try:
                async with asyncio.timeout(_SUGGESTING_SECONDS):
                    titles = await self._source.titles(typed, language)
            except (WikipediaUnavailable, TimeoutError) as error:
                log.debug("no titles in %s: %s", language, error or "too slow")
                titles = []
            known = {name.casefold() for each in suggestions for name in (each.term, each.name)}
            suggestions += [
                Suggestion(title, title)
                for title in dict.fromkeys(titles)
                if len(title) <= _LONGEST and title.casefold() not in known
            ]
        return suggestions[:MOST_SUGGESTIONS]

    async def _look_up(self, term: str, language: str) -> Page | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                page = await self._source.lookup(term, language)
        except (WikipediaUnavailable, TimeoutError) as error:
            self._events.looked_up("away")
            log.info("no page for a term in %s: %s", language, error or "too slow")
            return None
        self._events.looked_up("found" if page is not None else "nothing")
        return page


def _suggestion(work: Property, language: str) -> Suggestion:
    """A work by its own and its English name. What is looked up is its title where that is the language's own."""
    name = work.local_name
    if work.english_name.casefold() != name.casefold():
        name = f"{name} · {work.english_name}"
    return Suggestion(name, work.wikipedia_title if work.language == language else work.english_name)


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

    def __init__(self, database: Database, longest: timedelta | None = None) -> None:
        self._database = database
        self._longest = longest

    async def get(self, key: str) -> CachedPage | None:
        """What is known for a key, or None where nothing is or it has expired."""
        try:
            async with self._database.reading() as session:
                row = await session.get(CachedPageRow, key)
                if row is None or row.expires_at <= now():
                    return None
                return CachedPage(None if row.page is None else Page(**row.page))
        except (SQLAlchemyError, TypeError) as error:
            log.warning("could not read the page cache: %s", error)
            return None

    async def put(self, key: str, page: Page | None, ttl: float) -> None:
        """Keep a page, or that there is none, for `ttl` seconds, or as long as anything is; forget what has expired."""
        life = timedelta(seconds=ttl)
        expires_at = now() + (life if self._longest is None else min(life, self._longest))
        row = CachedPageRow(key=key, page=None if page is None else asdict(page), expires_at=expires_at)
        try:
            async with self._database.transaction() as session:
                await session.execute(delete(CachedPageRow).where(CachedPageRow.expires_at <= now()))
                await session.merge(row)
        except SQLAlchemyError as error:
            log.warning("could not write the page cache: %s", error)


def note_of(page: Page, *, conversation_id: int, message_id: int) -> CanonNote:
    """A page as what a story is told from this message on."""
    return CanonNote(
        conversation_id=conversation_id,
        message_id=message_id,
        title=page.title[:300],
        language=page.language,
        extract=page.extract,
        url=page.url,
        revision=page.revision,
        thumbnail_url=page.thumbnail_url,
        source=page.source,
    )

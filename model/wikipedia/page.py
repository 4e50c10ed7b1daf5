"""A page about a work, wherever it came from, and where pages are kept once found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from model.conversation import ContextNote
from model.wikipedia.recent import Recent

LICENCE = "CC BY-SA 4.0"
"""The licence of Wikipedia's text and of the bundled notes alike."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was found. `language` is that of the text, which may be English where another one was asked.

    `extract` is plain text of at most some 1,200 characters. `url`, `revision` and `thumbnail_url` are
    Wikipedia's own; bundled notes have none.
    """

    title: str
    language: str
    extract: str
    source: Literal["wikipedia", "bundled"]
    url: str | None = None
    revision: int | None = None
    thumbnail_url: str | None = None

    def as_note(self) -> ContextNote:
        """The page as context for the model."""
        return ContextNote(self.title, self.language, self.extract)


class CanonSource(Protocol):
    """Whatever can be asked about a work."""

    async def lookup(self, term: str, language_code: str) -> Page | None:
        """The page that `term` names, None where there is none. May raise `WikipediaUnavailable`."""


class SearchableSource(CanonSource, Protocol):
    """A source in which people can look around. Both may raise `WikipediaUnavailable`."""

    async def search(self, term: str, language_code: str) -> list[Page]:
        """All pages for a term, the best first."""

    async def titles(self, prefix: str, language_code: str, limit: int = 10) -> list[str]:
        """Titles that begin like this, at once or not at all."""


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A remembered answer; `page` is None where it was that there is no such page."""

    page: Page | None


class PageCache(Protocol):
    """Remembers answers by key. What it cannot read or keep it forgets: it raises nothing."""

    async def get(self, key: str) -> CachedPage | None:
        """The answer, or None where there is none that is still good."""

    async def put(self, key: str, page: Page | None, ttl: float) -> None:
        """Keep an answer for `ttl` seconds."""


class MemoryCache:
    """Keeps the answers used last, `size` of them, until the process ends."""

    def __init__(self, size: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._recent: Recent[CachedPage] = Recent(size, clock)

    async def get(self, key: str) -> CachedPage | None:
        """The answer, or None where there is none that is still good."""
        return self._recent.get(key)

    async def put(self, key: str, page: Page | None, ttl: float) -> None:
        """Keep an answer for `ttl` seconds."""
        self._recent.put(key, CachedPage(page), ttl)

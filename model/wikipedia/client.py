"""The client of Wikipedia: one request per look-up, few at a time, none twice, and never in an answer's way.

The host comes from the language table alone. Whatever goes wrong is one exception, `WikipediaUnavailable`;
nothing is tried again here.
"""

from __future__ import annotations

import asyncio
import logging
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from model.errors import WikipediaUnavailable
from model.languages import LANGUAGES, Language
from model.lookup_tag import MAX_TERM
from model.wikipedia.answer import (
    Found,
    read_answer,
    read_titles,
    same_title,
    search_request,
    title_request,
    titles_request,
)
from model.wikipedia.page import MemoryCache, Page, PageCache
from model.wikipedia.recent import Recent

log = logging.getLogger(__name__)

DEFAULT_URL = "https://{code}.wikipedia.org/w/api.php"

MAX_BODY = 512 * 1024
"""Bytes of the longest answer that is read."""
FOUND_TTL = 14 * 24 * 3600.0
"""Seconds for which a page is remembered."""
MISSING_TTL = 24 * 3600.0
"""Seconds for which it is remembered that there is no page."""
RECENT_TTL = 3600.0
"""Seconds for which the hits of a search and the completions of a title are remembered."""
LONGEST_PAUSE = 3600.0
"""Seconds after which Wikipedia is asked again, whatever it said."""
_PAUSES = {403: 600.0, 429: 60.0, 503: 30.0}  # seconds, where no Retry-After comes with the status


class WikipediaClient:
    """Looks works up in the Wikipedia of a language.

    `url_template` has `{code}` where the language's code goes. `user_agent` must say who runs this and how to
    reach them, as Wikimedia's policy asks. `limit` is how many requests may be under way at once, `timeout`
    the seconds that a look-up may take in all. The session stays its owner's.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        user_agent: str,
        url_template: str = DEFAULT_URL,
        cache: PageCache | None = None,
        limit: int = 3,
        timeout: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._url_template = url_template
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        self._cache: PageCache = MemoryCache() if cache is None else cache
        self._slots = asyncio.Semaphore(limit)
        # Who only types never takes the last slot from who looks something up.
        self._completing = asyncio.Semaphore(max(1, limit - 1))
        self._searches: Recent[list[Page]] = Recent(clock=clock)
        self._completions: Recent[list[str]] = Recent(clock=clock)
        self._timeout = timeout
        self._clock = clock
        self._paused_until = 0.0
        self._flights: dict[str, asyncio.Task[Page | None]] = {}

    async def lookup(self, term: str, language_code: str) -> Page | None:
        """The page that `term` names in this language, or in English where only that has one; None if none does.

        `language_code` is one of the forty, else `ValueError`. Raises `WikipediaUnavailable`, with
        `retry_after` where Wikipedia asked for a pause.
        """
        language = LANGUAGES.get(language_code)
        if language is None:
            raise ValueError(f"{language_code!r} is not the code of one of the languages")
        term = " ".join(term.split())[:MAX_TERM]
        if not term:
            return None
        key = cache_key(term, language.code)
        if (cached := await self._cache.get(key)) is not None:
            return cached.page
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fly(key, term, language))
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Whoever asked first may go away; the others still wait for the same answer.
        return await asyncio.shield(flight)

    async def search(self, term: str, language_code: str) -> list[Page]:
        """All pages that a search for `term` finds at once, the best first; where there are none in this language, the
        English one that `lookup` would find. Errors as in `lookup`."""
        language = LANGUAGES[language_code]
        term = " ".join(term.split())[:MAX_TERM]
        if not term:
            return []
        key = cache_key(term, language.code)
        if (recent := self._searches.get(key)) is not None:
            return recent
        try:
            async with asyncio.timeout(self._timeout):
                hits = await self._ask(search_request(term, language), term, language)
                pages = [hit.page for hit in hits if hit.page.extract]
                if not pages and (page := await self._in_english(term, language, hits)) is not None:
                    pages = [page]
        except TimeoutError:
            raise WikipediaUnavailable(f"Wikipedia took longer than {self._timeout:g} seconds") from None
        self._searches.put(key, pages, RECENT_TTL)
        return pages

    async def titles(self, prefix: str, language_code: str, limit: int = 10) -> list[str]:
        """Titles that begin like `prefix`, to complete what somebody types. Never waits for other requests: where too
        many are under way it raises `WikipediaUnavailable`, as for any other reason."""
        language = LANGUAGES[language_code]
        prefix = " ".join(prefix.split())[:MAX_TERM]
        if not prefix:
            return []
        key = f"{limit}:{cache_key(prefix, language.code)}"
        if (recent := self._completions.get(key)) is not None:
            return recent
        if self._completing.locked() or self._slots.locked():
            raise WikipediaUnavailable("enough requests are under way")
        async with self._completing:
            titles = read_titles(await self._body(titles_request(prefix, language, limit), language))
        self._completions.put(key, titles, RECENT_TTL)
        return titles

    async def close(self) -> None:
        """Abandon what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _landed(self, key: str, flight: asyncio.Task[Page | None]) -> None:
        del self._flights[key]
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.info("look-up failed: %s", error)

    async def _fly(self, key: str, term: str, language: Language) -> Page | None:
        try:
            async with asyncio.timeout(self._timeout):
                page = await self._find(term, language)
        except TimeoutError:
            raise WikipediaUnavailable(f"Wikipedia took longer than {self._timeout:g} seconds") from None
        await self._cache.put(key, page, MISSING_TTL if page is None else FOUND_TTL)
        return page

    async def _find(self, term: str, language: Language) -> Page | None:
        hits = await self._ask(search_request(term, language), term, language)
        if hits and hits[0].page.extract:
            return hits[0].page
        return await self._in_english(term, language, hits)

    async def _in_english(self, term: str, language: Language, hits: list[Found]) -> Page | None:
        """The English page of what the hits in another language only name."""
        english = LANGUAGES["en"]
        if language is english:
            return None
        if hits and (title := hits[0].english_title):
            there = await self._ask(title_request(title, english), title, english)
        else:
            # Titles of works are often the same in English; a mere similarity would be some other work.
            found = await self._ask(search_request(term, english), term, english)
            there = [hit for hit in found[:1] if same_title(hit.page.title, term)]
        return there[0].page if there and there[0].page.extract else None

    async def _ask(self, request: dict[str, str], term: str, language: Language) -> list[Found]:
        return read_answer(await self._body(request, language), term, language)

    async def _body(self, request: dict[str, str], language: Language) -> bytes:
        async with self._slots:
            if (wait := self._paused_until - self._clock()) > 0:
                raise WikipediaUnavailable("Wikipedia asked for a pause", retry_after=wait)
            return await self._get(self._url_template.format(code=language.code), request)

    async def _get(self, url: str, request: dict[str, str]) -> bytes:
        try:
            # A redirect could lead to any host.
            async with self._session.get(
                url, params=request, headers=self._headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    self._refuse(response)
                body = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise WikipediaUnavailable(f"Wikipedia's answer is longer than {MAX_BODY} bytes")
                return bytes(body)
        except (aiohttp.ClientError, OSError) as error:
            raise WikipediaUnavailable(f"Wikipedia cannot be reached: {error}") from error

    def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raises `WikipediaUnavailable`, and holds back all further requests where the answer asks for it."""
        pause = retry_after(response.headers.get("Retry-After"))
        pause = _PAUSES.get(response.status) if pause is None else pause
        if pause is not None:
            pause = min(pause, LONGEST_PAUSE)
            self._paused_until = max(self._paused_until, self._clock() + pause)
            log.warning("Wikipedia answered %d; asking again in %.0f s", response.status, pause)
        raise WikipediaUnavailable(f"Wikipedia answered with status {response.status}", retry_after=pause)


def cache_key(term: str, language_code: str) -> str:
    """What a look-up is remembered by: case and width of the term's letters make no difference."""
    return f"{language_code}:{unicodedata.normalize('NFKC', term).casefold()}"


def retry_after(header: str | None) -> float | None:
    """The seconds that a Retry-After header names, as a number or a date; None where it names nothing.

    Source: RFC 9110, section 10.2.3.
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())

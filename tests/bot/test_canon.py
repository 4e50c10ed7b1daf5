"""Looking a work up, with sources that know, fail and dawdle, and the cache in the database."""

from __future__ import annotations

import asyncio

import pytest

from bot.canon import Canon, DatabasePageCache, mentioned_work
from bot.database.connection import Database
from model.errors import WikipediaUnavailable
from model.languages import LANGUAGES
from model.wikipedia import BundledNotes, Page

PAGE = Page("Dune", "en", "A novel.", "wikipedia", "https://en.wikipedia.org/wiki/Dune", 7)


class Source:
    """Knows one page, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.asked: list[str] = []

    async def lookup(self, term: str, language_code: str) -> Page | None:
        self.asked.append(term)
        if self.away:
            raise WikipediaUnavailable
        return PAGE if term == "Dune" else None


async def test_a_page_is_found() -> None:
    assert await Canon(Source()).find("Dune", "en") == PAGE


async def test_a_source_that_is_away_is_no_page_and_no_error() -> None:
    assert await Canon(Source(away=True)).find("Dune", "en") is None


async def test_where_the_term_leads_nowhere_the_work_that_was_named_is_looked_up() -> None:
    canon = Canon(BundledNotes())
    page = await canon.find("The Dragon", "en", "how do I write Frodo in The Lord of the Rings?")
    assert page is not None
    assert "Tolkien" in page.extract


async def test_a_term_that_leads_somewhere_is_enough() -> None:
    source = Source()
    await Canon(source).find("Dune", "en", "a story about The Lord of the Rings")
    assert source.asked == ["Dune"]


@pytest.mark.parametrize(
    ("text", "language", "work"),
    [
        ("a harry potter story", "en", "Harry Potter"),
        ("해리 포터 팬픽을 쓰고 싶은데", "ko", "Harry Potter"),
        ("jag vill skriva om Bröderna Lejonhjärta som vuxna", "sv", "The Brothers Lionheart"),
        ("something without a name", "en", None),
        ("unheroically startrekking", "en", None),
    ],
)
def test_works_are_told_by_their_names(text: str, language: str, work: str | None) -> None:
    found = mentioned_work(text, language)
    assert (found.english_name if found else None) == work


async def test_the_cache_keeps_pages_and_the_lack_of_them_until_they_expire(database: Database) -> None:
    cache = DatabasePageCache(database)
    assert await cache.get("en:dune") is None
    await cache.put("en:dune", PAGE, 60)
    await cache.put("en:nothing", None, 60)
    await cache.put("en:old", PAGE, -1)
    found = await cache.get("en:dune")
    assert found is not None
    assert found.page == PAGE
    missing = await cache.get("en:nothing")
    assert missing is not None
    assert missing.page is None
    assert await cache.get("en:old") is None
    await cache.put("en:dune", None, 60)
    replaced = await cache.get("en:dune")
    assert replaced is not None
    assert replaced.page is None


class Typing:
    """Knows titles, after a while."""

    def __init__(self, titles: list[str], seconds: float = 0.0) -> None:
        self.found = titles
        self.seconds = seconds
        self.asked: list[tuple[str, str]] = []

    async def titles(self, prefix: str, language_code: str, limit: int = 10) -> list[str]:
        self.asked.append((prefix, language_code))
        await asyncio.sleep(self.seconds)
        return self.found


async def test_works_are_suggested_by_their_own_and_english_names_before_wikipedias_titles() -> None:
    source = Typing(["Bröderna Lejonhjärta (film)", "Bröderna Lejonhjärta"])
    found = await Canon(source).suggest("bröderna", "sv")  # type: ignore[arg-type]
    assert found[0].name == "Bröderna Lejonhjärta · The Brothers Lionheart"
    assert found[0].term == "Bröderna Lejonhjärta"
    assert [each.name for each in found if "(film)" in each.name] == ["Bröderna Lejonhjärta (film)"]
    assert len({each.term for each in found}) == len(found)


async def test_a_work_of_another_language_is_looked_up_by_its_english_title() -> None:
    (found,) = await Canon(Typing([])).suggest("전지적", "de")  # type: ignore[arg-type]
    assert found.name == "전지적 독자 시점 · Omniscient Reader's Viewpoint"
    assert found.term == "Omniscient Reader's Viewpoint"


async def test_nothing_typed_suggests_the_languages_own_works_without_asking_anybody() -> None:
    source = Typing(["Something"])
    found = await Canon(source).suggest("", "ko")  # type: ignore[arg-type]
    assert len(found) == 15
    assert source.asked == []


async def test_titles_that_do_not_come_within_two_seconds_are_done_without() -> None:
    began = asyncio.get_running_loop().time()
    found = await Canon(Typing(["Late"], seconds=30)).suggest("bröderna", "sv")  # type: ignore[arg-type]
    assert asyncio.get_running_loop().time() - began < 2.5
    assert found
    assert all(each.name != "Late" for each in found)


async def test_suggestions_fit_discord() -> None:
    for code in LANGUAGES:
        found = await Canon(Typing(["t" * 200, *map(str, range(30))])).suggest("the", code)  # type: ignore[arg-type]
        assert len(found) <= 25
        assert all(len(each.term) <= 100 for each in found)


async def test_a_search_fails_no_more_than_a_look_up() -> None:
    assert await Canon(Away()).search("Dune", "en") == []  # type: ignore[arg-type]
    assert (await Canon(BundledNotes()).search("Pride and Prejudice", "en"))[0].source == "bundled"


class Away:
    async def search(self, term: str, language_code: str) -> list[Page]:
        raise WikipediaUnavailable

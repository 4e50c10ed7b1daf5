"""The bundled notes answer where Wikipedia does not."""

from __future__ import annotations

import pytest

from model.errors import WikipediaUnavailable
from model.wikipedia import BundledNotes, Page, WithFallback
from tests.model.shipped_chats import shipped_chats


class Source:
    """A source that has one answer for every question."""

    def __init__(self, answer: Page | WikipediaUnavailable | None) -> None:
        self.answer = answer

    async def lookup(self, term: str, language_code: str) -> Page | None:
        if isinstance(self.answer, WikipediaUnavailable):
            raise self.answer
        return self.answer


PAGE = Page("Dune", "en", "Sand.", "wikipedia", url="https://en.wikipedia.org/wiki/Dune", revision=1)


async def test_a_note_is_a_page_that_says_it_is_bundled() -> None:
    page = await BundledNotes().lookup("전지적 독자 시점", "ko")
    assert page is not None
    assert (page.title, page.language, page.source) == ("전지적 독자 시점", "ko", "bundled")
    assert (page.url, page.revision, page.thumbnail_url) == (None, None, None)
    assert page.as_note().text == page.extract


async def test_nearly_every_look_up_of_the_chats_is_answered_in_its_language() -> None:
    lookups = [chat["lookup"] for chat in shipped_chats() if chat["lookup"]]
    pages = [await BundledNotes().lookup(lookup["term"], lookup["language"]) for lookup in lookups]
    right = sum(
        page is not None and page.language == lookup["language"]
        for page, lookup in zip(pages, lookups, strict=True)
    )
    assert right >= 0.95 * len(lookups)


async def test_a_work_without_a_note_in_its_language_has_the_english_one() -> None:
    # The Dutch chat about Avatar needs no look-up, so there is no note of it in Dutch.
    from model.catalogue import find_note, load_properties
    from model.languages import LANGUAGES

    lacking = [
        work
        for code in LANGUAGES
        for work in load_properties(code)
        if find_note(work.local_name, code) is None and find_note(work.english_name, "en") is not None
    ]
    assert lacking
    page = await BundledNotes().lookup(lacking[0].local_name, lacking[0].language)
    assert page is not None
    assert page.language == "en"


async def test_nothing_is_found_for_nonsense() -> None:
    assert await BundledNotes().lookup("Zzyzx", "ko") is None


async def test_the_fallback_answers_where_the_first_source_cannot_or_knows_nothing() -> None:
    notes = BundledNotes()
    for first in (Source(WikipediaUnavailable()), Source(None)):
        page = await WithFallback(first, notes).lookup("전지적 독자 시점", "ko")
        assert page is not None
        assert page.source == "bundled"
    assert await WithFallback(Source(PAGE), notes).lookup("전지적 독자 시점", "ko") is PAGE


async def test_that_both_fail_is_told() -> None:
    with pytest.raises(WikipediaUnavailable):
        await WithFallback(Source(WikipediaUnavailable(retry_after=5)), BundledNotes()).lookup("Zzyzx", "ko")
    assert await WithFallback(Source(None), BundledNotes()).lookup("Zzyzx", "ko") is None


async def test_a_search_of_the_notes_brings_what_has_the_term_in_a_name() -> None:
    pages = await BundledNotes().search("pride and prejudice", "en")
    assert pages[0].title.startswith("Pride and Prejudice")
    assert len(pages) == len(set(pages)) <= 5
    assert await BundledNotes().search("Zzyzx", "en") == []


async def test_a_search_goes_to_the_notes_where_the_first_source_is_away() -> None:
    source = WithFallback(Away(), BundledNotes())
    assert (await source.search("Pride and Prejudice", "en"))[0].source == "bundled"
    assert await source.titles("pride", "en") == await BundledNotes().titles("pride", "en") != []
    with pytest.raises(WikipediaUnavailable):
        await source.search("Zzyzx", "en")


class Away:
    async def lookup(self, term: str, language_code: str) -> Page | None:
        raise WikipediaUnavailable

    async def search(self, term: str, language_code: str) -> list[Page]:
        raise WikipediaUnavailable

    async def titles(self, prefix: str, language_code: str, limit: int = 10) -> list[str]:
        raise WikipediaUnavailable

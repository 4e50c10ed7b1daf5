"""The client against a server that answers well: pages, hits, titles, and what is remembered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from model.errors import WikipediaUnavailable
from model.wikipedia import MemoryCache, Page, WikipediaClient
from tests.model.wikipedia.conftest import AGENT, DUNE, Clock, StandIn, after, answering, pages, until


async def test_one_request_brings_all_that_is_shown(client: WikipediaClient, stand_in: StandIn) -> None:
    stand_in.answer = answering(pages(DUNE))
    assert await client.lookup("Dune", "en") == Page(
        title="Dune",
        language="en",
        extract="Dune is a novel of 1965 by Frank Herbert.",
        source="wikipedia",
        url="https://en.wikipedia.org/wiki/Dune",
        revision=42,
        thumbnail_url="https://upload.wikimedia.org/dune.jpg",
    )
    (request,) = stand_in.requests
    assert request.path == "/en/w/api.php"
    assert request.headers["User-Agent"] == AGENT
    query = dict(request.query)
    assert query["gsrsearch"] == "Dune"
    assert query["generator"] == "search"
    assert set(query["prop"].split("|")) >= {"extracts", "pageimages", "info", "langlinks"}
    assert (query["exintro"], query["explaintext"], query["redirects"], query["formatversion"]) == (
        "1",
        "1",
        "1",
        "2",
    )
    assert int(query["exlimit"]) <= 20
    assert int(query["exchars"]) <= 1200


@pytest.mark.parametrize(
    ("term", "asked"),
    [
        ("Re:Zero", "Re:Zero"),
        ("Spider-Man", "Spider-Man"),
        ("insource:/.*/ Dune", "/.*/ Dune"),
        ("-Dune !Herbert", "Dune Herbert"),
        ("morelike:Dune", "Dune"),
        ("x" * 1000, "x" * 200),
    ],
)
async def test_a_term_is_searched_for_without_operators(
    client: WikipediaClient, stand_in: StandIn, term: str, asked: str
) -> None:
    stand_in.answer = answering(pages(DUNE))
    await client.lookup(term, "en")
    assert stand_in.queries[0]["gsrsearch"] == asked


@pytest.mark.parametrize(("code", "variant"), [("zh", "zh-cn"), ("sr", "sr-ec"), ("ko", None)])
async def test_chinese_and_serbian_come_in_the_script_of_the_table(
    client: WikipediaClient, stand_in: StandIn, code: str, variant: str | None
) -> None:
    stand_in.answer = answering(pages(DUNE))
    await client.lookup("Dune", code)
    assert stand_in.queries[0].get("variant") == variant


@pytest.mark.parametrize("code", ["xx", "", "en.evil.example/", "../en", "EN", "simple"])
async def test_no_code_but_the_table_s_ever_reaches_a_host(
    client: WikipediaClient, stand_in: StandIn, code: str
) -> None:
    with pytest.raises(ValueError, match="language"):
        await client.lookup("Dune", code)
    assert not stand_in.requests


async def test_an_empty_term_is_not_asked(client: WikipediaClient, stand_in: StandIn) -> None:
    assert await client.lookup(" \n ", "en") is None
    assert not stand_in.requests


def hits(*titles: str) -> dict[str, Any]:
    return pages(*({"title": title, "extract": f"About {title}."} for title in titles))


@pytest.mark.parametrize(
    ("term", "body", "chosen"),
    [
        ("dune", hits("Frank Herbert", "Dune"), "Dune"),
        ("Dune", hits("Frank Herbert", "Dune (novel)"), "Dune (novel)"),
        ("Dune", hits("Frank Herbert", "Arrakis"), "Frank Herbert"),
        (
            "Kingdom",
            pages(
                {"title": "Kingdom", "extract": "may refer to", "pageprops": {"disambiguation": ""}},
                {"title": "Kingdom (TV series)", "extract": "A series."},
            ),
            "Kingdom (TV series)",
        ),
        ("Dune", pages({"title": "Dune", "extract": ""}, {"title": "Dune (novel)", "extract": "b"}), "Dune"),
        (
            "HP",
            pages(
                {"title": "Printer", "extract": "a"},
                {"title": "Harry Potter", "extract": "b"},
                redirects=[{"index": 2, "from": "HP", "to": "Harry Potter"}],
            ),
            "Harry Potter",
        ),
        (
            "Dune",
            pages({"title": "Talk", "extract": "a", "ns": 1}, {"title": "Sand", "extract": "b"}),
            "Sand",
        ),
        ("Dune", pages({"title": "Gone", "missing": True}, {"title": "Sand", "extract": "b"}), "Sand"),
    ],
)
async def test_the_best_hit_is_chosen(
    client: WikipediaClient, stand_in: StandIn, term: str, body: dict[str, Any], chosen: str
) -> None:
    english = pages({"title": chosen, "extract": "In English."})
    for hit in body["query"]["pages"]:
        hit["langlinks"] = [{"lang": "en", "title": chosen}]
    stand_in.answer = answering(body, english)
    page = await client.lookup(term, "sv")
    assert page is not None
    assert page.title == chosen


async def test_a_lone_hit_is_enough(client: WikipediaClient, stand_in: StandIn) -> None:
    stand_in.answer = answering(pages({"title": "Näcken", "extract": "Ett väsen."}))
    page = await client.lookup("näck", "sv")
    assert page is not None
    assert page.url == "https://sv.wikipedia.org/wiki/N%C3%A4cken"
    assert page.thumbnail_url is None


async def test_text_is_plain(client: WikipediaClient, stand_in: StandIn) -> None:
    extract = "Dune\u202e ( ; ) is\x07  a novel.\n\n\nIt has sand.\n"
    stand_in.answer = answering(pages({**DUNE, "extract": extract}))
    page = await client.lookup("Dune", "en")
    assert page is not None
    assert page.extract == "Dune is a novel.\nIt has sand."


async def test_a_page_without_text_gives_way_to_its_english_one(
    client: WikipediaClient, stand_in: StandIn
) -> None:
    local = {"title": "Duna", "extract": "", "langlinks": [{"lang": "en", "title": "Dune (novel)"}]}
    stand_in.answer = answering(pages(local), pages({**DUNE, "title": "Dune (novel)"}))
    page = await client.lookup("Duna", "ca")
    assert page is not None
    assert (page.title, page.language) == ("Dune (novel)", "en")
    assert [request.path for request in stand_in.requests] == ["/ca/w/api.php", "/en/w/api.php"]
    assert stand_in.queries[1]["titles"] == "Dune (novel)"


@pytest.mark.parametrize(("english", "found"), [("Dune (novel)", True), ("Sand dune stabilization", False)])
async def test_without_a_hit_english_answers_only_under_the_same_title(
    client: WikipediaClient, stand_in: StandIn, english: str, found: bool
) -> None:
    stand_in.answer = answering({"batchcomplete": True}, pages({**DUNE, "title": english}))
    page = await client.lookup("Dune", "sw")
    assert (page is not None) is found


async def test_no_hit_anywhere_is_none_and_remembered_for_a_day(
    client: WikipediaClient, stand_in: StandIn, clock: Clock
) -> None:
    assert await client.lookup("Zzyzx", "en") is None
    assert await client.lookup("zzyzx", "en") is None
    assert len(stand_in.requests) == 1
    clock.now += 25 * 3600
    assert await client.lookup("Zzyzx", "en") is None
    assert len(stand_in.requests) == 2


async def test_a_page_is_remembered_for_two_weeks(
    client: WikipediaClient, stand_in: StandIn, clock: Clock
) -> None:
    stand_in.answer = answering(pages(DUNE))
    first = await client.lookup("Dune", "en")
    clock.now += 13 * 24 * 3600
    assert await client.lookup("  DUNE ", "en") == first
    assert len(stand_in.requests) == 1
    clock.now += 2 * 24 * 3600
    await client.lookup("Dune", "en")
    assert len(stand_in.requests) == 2


async def test_the_same_question_flies_once(client: WikipediaClient, stand_in: StandIn) -> None:
    go = asyncio.Event()
    stand_in.answer = after(go, pages(DUNE))
    asked = [asyncio.create_task(client.lookup(term, "en")) for term in ("Dune", "dune", " Dune")]
    await until(lambda: len(stand_in.requests) == 1)
    asked[0].cancel()  # the first to ask goes away; the others still get their answer
    go.set()
    answers = await asyncio.gather(*asked[1:])
    assert answers[0] == answers[1]
    assert answers[0] is not None
    assert len(stand_in.requests) == 1


async def test_at_most_three_requests_are_under_way(client: WikipediaClient, stand_in: StandIn) -> None:
    go = asyncio.Event()
    stand_in.answer = after(go, pages(DUNE))
    asked = [asyncio.create_task(client.lookup(f"Dune {number}", "en")) for number in range(8)]
    await until(lambda: stand_in.at_once == 3)
    await asyncio.sleep(0.05)
    go.set()
    assert len(await asyncio.gather(*asked)) == 8
    assert stand_in.most_at_once == 3


async def test_closing_abandons_what_is_under_way(client: WikipediaClient, stand_in: StandIn) -> None:
    go = asyncio.Event()
    stand_in.answer = after(go, pages(DUNE))
    asked = asyncio.create_task(client.lookup("Dune", "en"))
    await until(lambda: len(stand_in.requests) == 1)
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await asked
    go.set()


async def test_the_memory_cache_forgets_what_was_used_least() -> None:
    cache = MemoryCache(size=2)
    page = Page("Dune", "en", "Sand.", "wikipedia")
    await cache.put("a", page, 60)
    await cache.put("b", None, 60)
    assert await cache.get("a") is not None
    await cache.put("c", None, 60)
    assert await cache.get("b") is None
    kept = await cache.get("c")
    assert kept is not None
    assert kept.page is None


MESSIAH = {
    "title": "Dune Messiah",
    "extract": "The second one.",
    "fullurl": "https://en.wikipedia.org/wiki/DM",
}


async def test_a_search_brings_all_hits_with_the_best_first(
    client: WikipediaClient, stand_in: StandIn
) -> None:
    empty = {"title": "Dune (disambiguation)", "pageprops": {"disambiguation": ""}}
    stand_in.answer = answering(pages(MESSIAH, empty, DUNE))
    found = await client.search("dune", "en")
    assert [page.title for page in found] == ["Dune", "Dune Messiah"]
    assert await client.search(" Dune ", "en") == found
    assert len(stand_in.requests) == 1, "the second time it is remembered"


async def test_a_search_that_finds_nothing_in_a_language_brings_the_english_page(
    client: WikipediaClient, stand_in: StandIn
) -> None:
    stand_in.answer = answering({"batchcomplete": True}, pages(DUNE))
    assert [page.language for page in await client.search("Dune", "sw")] == ["en"]
    assert [request.path.split("/")[1] for request in stand_in.requests] == ["sw", "en"]


async def test_titles_complete_what_is_typed(client: WikipediaClient, stand_in: StandIn) -> None:
    stand_in.answer = answering({"query": {"prefixsearch": [{"title": "Dune"}, {"title": "Dune Messiah"}]}})
    assert await client.titles("du", "en") == ["Dune", "Dune Messiah"]
    assert await client.titles("DU", "en") == ["Dune", "Dune Messiah"]
    (query,) = stand_in.queries
    assert (query["list"], query["pssearch"], query["psnamespace"]) == ("prefixsearch", "du", "0")
    assert await client.titles("  ", "en") == []


async def test_typing_never_takes_the_last_slot_from_a_look_up(
    client: WikipediaClient, stand_in: StandIn
) -> None:
    free = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        if "pssearch" in request.query:
            await free.wait()
            return web.json_response({"query": {"prefixsearch": []}})
        return web.json_response(pages(DUNE))

    stand_in.answer = slowly
    typing = [asyncio.create_task(client.titles(prefix, "en")) for prefix in ("a", "b")]
    while stand_in.at_once < 2:
        await asyncio.sleep(0.01)
    with pytest.raises(WikipediaUnavailable):
        await client.titles("c", "en")
    assert await client.lookup("Dune", "en") is not None
    free.set()
    assert await asyncio.gather(*typing) == [[], []]


async def test_titles_are_not_asked_for_in_a_pause(client: WikipediaClient, stand_in: StandIn) -> None:
    stand_in.answer = answering({}, status=429, headers={"Retry-After": "30"})
    for _ in range(2):
        with pytest.raises(WikipediaUnavailable):
            await client.titles("du", "en")
    assert len(stand_in.requests) == 1

"""The client against a server that answers well and in every wrong way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model.errors import WikipediaUnavailable
from model.wikipedia import MemoryCache, Page, WikipediaClient
from model.wikipedia.client import MAX_BODY, retry_after
from tests.model.wikipedia.conftest import StandIn, answering, pages

AGENT = "FanFablerTests/1.0 (https://example.org; fan@example.org)"
DUNE = {
    "title": "Dune",
    "extract": "Dune is a novel of 1965 by Frank Herbert.",
    "fullurl": "https://en.wikipedia.org/wiki/Dune",
    "lastrevid": 42,
    "thumbnail": {"source": "https://upload.wikimedia.org/dune.jpg", "width": 320, "height": 400},
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(
    stand_in: StandIn, session: aiohttp.ClientSession, clock: Clock
) -> AsyncIterator[WikipediaClient]:
    made = WikipediaClient(
        session,
        user_agent=AGENT,
        url_template=stand_in.url_template,
        cache=MemoryCache(clock=clock),
        timeout=2.0,
        clock=clock,
    )
    yield made
    await made.close()


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


def after(event: asyncio.Event, body: Any) -> Callable[[web.Request], Any]:
    async def answer(_: web.Request) -> web.Response:
        await event.wait()
        return web.json_response(body)

    return answer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


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


async def test_a_slow_answer_is_not_waited_for(stand_in: StandIn, session: aiohttp.ClientSession) -> None:
    go = asyncio.Event()
    stand_in.answer = after(go, pages(DUNE))
    client = WikipediaClient(session, user_agent=AGENT, url_template=stand_in.url_template, timeout=0.1)
    with pytest.raises(WikipediaUnavailable, match="longer than"):
        await client.lookup("Dune", "en")
    go.set()


async def test_a_server_that_is_not_there(session: aiohttp.ClientSession, unused_tcp_port_: int) -> None:
    template = f"http://127.0.0.1:{unused_tcp_port_}/{{code}}"
    client = WikipediaClient(session, user_agent=AGENT, url_template=template)
    with pytest.raises(WikipediaUnavailable, match="cannot be reached"):
        await client.lookup("Dune", "en")


@pytest.fixture
def unused_tcp_port_() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("status", [301, 400, 403, 404, 429, 500, 502, 503])
async def test_no_other_status_is_an_answer(client: WikipediaClient, stand_in: StandIn, status: int) -> None:
    stand_in.answer = answering({}, status=status, headers={"Location": "http://127.0.0.1:9/elsewhere"})
    with pytest.raises(WikipediaUnavailable, match=str(status)):
        await client.lookup("Dune", "en")
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_holds_back_every_request(
    client: WikipediaClient, stand_in: StandIn, clock: Clock, status: int
) -> None:
    stand_in.answer = answering({}, status=status, headers={"Retry-After": "120"})
    with pytest.raises(WikipediaUnavailable) as refused:
        await client.lookup("Dune", "en")
    assert refused.value.retry_after == 120
    stand_in.answer = answering(pages(DUNE))
    clock.now += 100
    with pytest.raises(WikipediaUnavailable) as held_back:
        await client.lookup("Näcken", "sv")
    assert held_back.value.retry_after == 20
    assert len(stand_in.requests) == 1
    clock.now += 21
    assert await client.lookup("Dune", "en") is not None


async def test_what_is_remembered_is_told_during_a_pause(client: WikipediaClient, stand_in: StandIn) -> None:
    stand_in.answer = answering(pages(DUNE))
    await client.lookup("Dune", "en")
    stand_in.answer = answering({}, status=429)
    with pytest.raises(WikipediaUnavailable):
        await client.lookup("Emma", "en")
    assert await client.lookup("Dune", "en") is not None


async def test_a_pause_has_an_end(client: WikipediaClient, stand_in: StandIn, clock: Clock) -> None:
    stand_in.answer = answering({}, status=429, headers={"Retry-After": "999999999"})
    with pytest.raises(WikipediaUnavailable) as refused:
        await client.lookup("Dune", "en")
    assert refused.value.retry_after == 3600


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>Wikimedia Error</html>", b"[]", b"null", b"{", b'{"query": []}',
        b'{"query": {"pages": {"1": {}}}}',
        b'{"query": {"pages": [{"extract": "no title"}]}}', b"\xff\xfe", b'"' + b"x" * 100,
        b'{"error": {"code": "ratelimited", "info": "Too fast"}}',
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_read(client: WikipediaClient, stand_in: StandIn, body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    stand_in.answer = answer
    with pytest.raises(WikipediaUnavailable):
        await client.lookup("Dune", "en")


@pytest.mark.parametrize("body", [{}, {"batchcomplete": True}, pages()])
async def test_an_empty_answer_is_no_page(
    client: WikipediaClient, stand_in: StandIn, body: dict[str, Any]
) -> None:
    stand_in.answer = answering(body)
    assert await client.lookup("Dune", "en") is None


@pytest.mark.parametrize("compressed", [False, True])
async def test_no_more_than_half_a_mebibyte_is_read(
    client: WikipediaClient, stand_in: StandIn, compressed: bool
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if compressed:
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        try:
            for _ in range(64 * MAX_BODY // 65536):
                await response.write(b" " * 65536)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has gone, as it should
        return response

    stand_in.answer = answer
    with pytest.raises(WikipediaUnavailable, match="longer than"):
        await client.lookup("Dune", "en")


async def test_a_failure_is_not_remembered(client: WikipediaClient, stand_in: StandIn) -> None:
    stand_in.answer = answering({}, status=500)
    with pytest.raises(WikipediaUnavailable):
        await client.lookup("Dune", "en")
    stand_in.answer = answering(pages(DUNE))
    assert await client.lookup("Dune", "en") is not None


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("120") == 120
    assert retry_after(None) is None
    assert retry_after("soon") is None
    in_a_minute = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    assert in_a_minute is not None
    assert 55 < in_a_minute <= 60
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


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

"""The look-up against a model that would lead it elsewhere: whatever the tag says, one host is asked, by one path, for
plain words."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from model.errors import WikipediaUnavailable
from model.languages import LANGUAGES
from model.lookup_tag import MAX_TERM, TagFilter, parse_reply
from model.wikipedia import WikipediaClient

HOSTILE = [
    *(
        ("evil.example", "en.wikipedia.org.evil.example"),
        ("Dune", "evil.example/w/api.php?x="),
        ("Dune", "en@evil.example"),
    ),
    *(
        ("Dune", "../../secrets"),
        ("Dune", "en/../../x"),
        ("Dune", "http://evil.example/"),
        ("Dune", "169.254.169.254"),
    ),
    *(
        ("http://evil.example/", "en"),
        ("file:///etc/passwd", "en"),
        ("javascript:alert(1)", "en"),
        ("//evil.example", "en"),
    ),
    *(("Dune&action=edit&token=x", "en"), ("Dune\r\nHost: evil.example", "en"), ("Dune\x00\x1b[2J", "en")),
    *(
        ("Dune#x?y=z%0d%0aX: y", "en"),
        ("../../../etc/passwd", "en"),
        ("Dune|Secret", "en"),
        ("\u202eenuD", "en"),
    ),
    *(("insource:/(a+)+$/ Dune", "en"), ("{{#invoke:x}} Dune", "en"), ("x" * 10_000_000, "en")),
    *(("Dune " * 2_000_000, "en"), ("Dune", "x" * 1_000_000)),
]


@pytest.mark.parametrize(("term", "code"), HOSTILE, ids=range(len(HOSTILE)))
async def test_whatever_the_tag_says_one_address_is_asked_for_plain_words(term: str, code: str) -> None:
    asked: list[web.Request] = []

    async def api(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"query": {"pages": []}})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api)
    text = f"I look it up.\n\n>>> {term}\n>>> {code}"
    shown = TagFilter("en")
    streamed = shown.feed(text) + shown.finish().text
    lookup = parse_reply(text, "en").lookup
    assert streamed == parse_reply(text, "en").text
    if lookup is None:
        return
    assert lookup.language in LANGUAGES
    assert len(lookup.term) <= MAX_TERM
    assert lookup.term.isprintable()
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        base = str(server.make_url("/"))
        client = WikipediaClient(session, user_agent="test", url_template=base + "wiki/{code}/w/api.php")
        assert await client.lookup(lookup.term, lookup.language) is None
        host = f"127.0.0.1:{server.port}"
    assert asked
    for request in asked:
        assert request.method == "GET"
        assert request.path in {f"/wiki/{each}/w/api.php" for each in LANGUAGES}
        assert request.host == host
        assert request.query["action"] == "query"
        assert len(request.query.getall("action")) == 1
        assert len(request.query_string) < 3000
        assert "evil.example" not in str({k: v for k, v in request.headers.items() if k != "Host"})


async def test_nobody_is_followed_elsewhere() -> None:
    followed = []

    async def elsewhere(_: web.Request) -> web.Response:
        followed.append(1)
        return web.json_response({"query": {"pages": []}})

    async def api(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_get("/elsewhere", elsewhere)
    app.router.add_get("/{code}/api.php", api)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        client = WikipediaClient(
            session, user_agent="test", url_template=str(server.make_url("/")) + "{code}/api.php"
        )
        with pytest.raises(WikipediaUnavailable):
            await client.lookup("Dune", "en")
    assert not followed


@pytest.mark.parametrize("code", ["evil.example", "en/../x", "", "EN ", "xx", "en\n"])
async def test_a_language_that_is_none_of_the_forty_is_no_host(code: str) -> None:
    async with aiohttp.ClientSession() as session:
        client = WikipediaClient(session, user_agent="test", url_template="http://127.0.0.1:9/{code}")
        with pytest.raises(ValueError, match="not the code"):
            await client.lookup("Dune", code)

"""The client against a server that is slow, overloaded, away, or answers in every wrong way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model.errors import WikipediaUnavailable
from model.wikipedia import WikipediaClient
from model.wikipedia.client import MAX_BODY, retry_after
from tests.model.wikipedia.conftest import AGENT, DUNE, Clock, StandIn, after, answering, pages


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

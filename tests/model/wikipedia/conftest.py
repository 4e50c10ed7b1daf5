"""A stand-in for Wikipedia that answers as each test says, and the session that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from model.wikipedia import MemoryCache, WikipediaClient

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn:
    """An HTTP server whose answer a test sets; it remembers what it was asked, and how much of it at once."""

    def __init__(self) -> None:
        self.answer: Answer = answering({"batchcomplete": True})
        self.requests: list[web.Request] = []
        self.at_once = 0
        self.most_at_once = 0
        self.url_template = ""

    @property
    def queries(self) -> list[dict[str, str]]:
        return [dict(request.query) for request in self.requests]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.answer(request)
        finally:
            self.at_once -= 1


def answering(*bodies: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Answers with these JSON bodies in turn, and with the last one from then on."""
    left = list(bodies)

    async def answer(_: web.Request) -> web.StreamResponse:
        body = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response(body, status=status, headers=headers)

    return answer


def pages(*pages_: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body of an answer with these hits, the first the best."""
    hits = [{"ns": 0, "index": index, **page} for index, page in enumerate(pages_, start=1)]
    return {"batchcomplete": True, "query": {"pages": hits, **more}}


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    server_ = StandIn()
    app = web.Application()
    app.router.add_get("/{code}/w/api.php", server_.handle)
    async with TestServer(app) as server:
        server_.url_template = f"http://127.0.0.1:{server.port}/{{code}}/w/api.php"
        yield server_


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened
    await asyncio.sleep(0)


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


def after(event: asyncio.Event, body: Any) -> Callable[[web.Request], Any]:
    async def answer(_: web.Request) -> web.Response:
        await event.wait()
        return web.json_response(body)

    return answer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)

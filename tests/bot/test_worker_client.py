"""The bot's side of the worker, against real servers: ours, one that answers like others do, and none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.errors import WorkerBusy, WorkerError, WorkerRefused, WorkerUnreachable
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.conversation import ChatMessage
from model.engine.fake import FakeEngine
from tests.model.worker.conftest import fake_model, listening

HELLO: list[ChatMessage] = [{"role": "user", "content": "hello there"}]
STREAM = (
    'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    '[{"index":0,"delta":{"content":"half a"},"finish_reason":null}]}\n\n'
)


def generation(messages: list[ChatMessage] = HELLO, **changes: object) -> Generation:
    return Generation(**{"messages": messages, "max_tokens": 50, "request_id": "test", **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def ours(
    engine: FakeEngine, token: str | None = None, sent: str | None = None
) -> AsyncIterator[OpenAIWorker]:
    async with (
        listening([fake_model(engine)], token=token) as running,
        open_client(f"{running.url}/v1", sent) as client,
    ):
        yield OpenAIWorker(client)


@asynccontextmanager
async def other(**handlers: object) -> AsyncIterator[OpenAIWorker]:
    """A server with the two endpoints that everybody has."""

    async def models(_: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "ollama"}]}
        )

    app = web.Application()
    app.router.add_get("/v1/models", handlers.get("models", models))  # type: ignore[arg-type]
    if "chat" in handlers:
        app.router.add_post("/v1/chat/completions", handlers["chat"])  # type: ignore[arg-type]
    async with TestServer(app) as server, open_client(str(server.make_url("/v1")), None) as client:
        yield OpenAIWorker(client)


async def written(worker: OpenAIWorker, request: Generation) -> str:
    return "".join([piece.text async for piece in worker.write(request)])


async def test_our_worker_says_what_it_can() -> None:
    async with ours(FakeEngine()) as worker:
        info = await worker.describe()
        assert info.ours
        assert info.continues
        assert info.counts
        assert (info.model, info.window) == ("fake", 8192)


async def test_an_answer_comes_in_pieces_with_its_origin_at_the_end() -> None:
    async with ours(FakeEngine(replies=["one two three"])) as worker:
        pieces = [piece async for piece in worker.write(generation())]
    assert "".join(piece.text for piece in pieces) == "one two three"
    assert len([piece for piece in pieces if piece.text]) > 1
    assert pieces[-1].finish_reason == "stop"
    assert pieces[-1].model == "fake"
    assert "fake" in str(pieces[-1].fingerprint)


async def test_an_unfinished_answer_is_gone_on_with() -> None:
    engine = FakeEngine(replies=["one two three"])
    async with ours(engine) as worker:
        messages: list[ChatMessage] = [*HELLO, {"role": "assistant", "content": "one two"}]
        assert await written(worker, generation(messages, continues=True)) == " three"
    assert engine.requests[0].continues


async def test_closing_the_stream_frees_the_slot() -> None:
    engine = FakeEngine(replies=["word " * 500], tokens_per_second=50)
    async with ours(engine) as worker:
        stream = worker.write(generation(max_tokens=1000))
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(5):
            while engine.load.running:
                await asyncio.sleep(0.01)
    assert len(engine.cancelled) == 1


async def test_tokens_are_counted_by_the_worker_that_can() -> None:
    async with ours(FakeEngine()) as worker:
        short = await worker.count_tokens(HELLO)
        long = await worker.count_tokens([{"role": "user", "content": "hello there " * 50}])
    assert 0 < short < long


async def test_tokens_are_estimated_where_it_cannot_rather_too_many() -> None:
    async with other() as worker:
        assert await worker.count_tokens([{"role": "user", "content": "고양이 " * 10}]) >= 30


async def test_nobody_there(unused_tcp_port: int) -> None:
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}/v1", None) as client:
        with pytest.raises(WorkerUnreachable):
            await OpenAIWorker(client).describe()


async def test_a_wrong_token_is_refused() -> None:
    async with ours(FakeEngine(), token="right-token", sent="wrong-token") as worker:
        with pytest.raises(WorkerRefused, match="401"):
            await worker.describe()


async def test_a_full_worker_says_when_to_come_back() -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "full"}}, status=503, headers={"Retry-After": "7"})

    async with other(chat=busy) as worker:
        with pytest.raises(WorkerBusy) as caught:
            await written(worker, generation())
        assert caught.value.retry_after == 7


async def test_a_stream_that_breaks_off_is_an_error_and_not_an_end() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(STREAM.encode())
        await response.write_eof()
        return response

    async with other(chat=half) as worker:
        pieces = []
        with pytest.raises(WorkerError, match="broke off"):
            async for piece in worker.write(generation()):
                pieces.append(piece.text)
        assert pieces == ["half a"]


async def test_a_server_without_models_is_refused() -> None:
    async def none(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    async with other(models=none) as worker:
        with pytest.raises(WorkerRefused, match="no model"):
            await worker.describe()


async def test_a_model_that_is_not_there_is_named_with_those_that_are() -> None:
    async with (
        listening([fake_model(FakeEngine())]) as running,
        open_client(f"{running.url}/v1", None) as client,
    ):
        with pytest.raises(WorkerRefused, match=r"'llama'.*'fake'"):
            await OpenAIWorker(client, model="llama").describe()


@pytest.mark.parametrize("size", [3, 1_000_000])
async def test_a_worker_that_never_stops_writing_is_cut_off(size: int) -> None:
    begun = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        begun.set()
        while True:
            await response.write(STREAM.replace("half a", "x" * size).encode())

    async with other(chat=endless) as worker:
        pieces = [piece async for piece in worker.write(generation())]
    assert begun.is_set()
    assert sum(len(piece.text) for piece in pieces) == 50 * 64
    assert pieces[-1].finish_reason == "length"

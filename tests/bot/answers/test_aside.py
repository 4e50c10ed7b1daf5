"""Questions put to the model aside, over a real worker server."""

from __future__ import annotations

import asyncio

import pytest

from bot.answers.aside import AsideFailed, ask_aside
from bot.worker_client import OpenAIWorker, open_client
from model.engine.fake import FakeEngine
from tests.bot.test_worker_client import other, ours


async def test_the_answer_comes_whole_and_without_a_tag() -> None:
    engine = FakeEngine(replies=["  The Dragon's Tea \n\n>>> Dragon\n>>> en"])
    async with ours(engine) as worker:
        answer = await ask_aside(worker, "Be short.", "A title?", max_tokens=20, purpose="title")
    assert answer == "The Dragon's Tea"
    assert engine.requests[0].messages == (("system", "Be short."), ("user", "A title?"))
    assert engine.requests[0].max_tokens == 20


async def test_an_empty_answer_is_none() -> None:
    async with ours(FakeEngine(replies=["  \n"])) as worker:
        with pytest.raises(AsideFailed, match="nothing to say"):
            await ask_aside(worker, "", "A title?", max_tokens=20)


async def test_a_worker_that_is_too_slow_gets_its_slot_back() -> None:
    engine = FakeEngine(replies=["word " * 100], tokens_per_second=20)
    async with ours(engine) as worker:
        with pytest.raises(AsideFailed, match="too slow"):
            await ask_aside(worker, "", "A summary?", max_tokens=100, patience=0.5)
        async with asyncio.timeout(5):
            while engine.load.running:
                await asyncio.sleep(0.01)


async def test_a_worker_that_is_away_fails_no_other_way(unused_tcp_port: int) -> None:
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}/v1", None) as client:
        with pytest.raises(AsideFailed):
            await ask_aside(OpenAIWorker(client), "", "A title?", max_tokens=20)


async def test_a_refusal_fails_no_other_way() -> None:
    async with ours(FakeEngine()) as worker:
        with pytest.raises(AsideFailed):
            await ask_aside(worker, "", "word " * 20_000, max_tokens=20)


async def test_a_worker_that_is_not_ours_is_sent_nothing_like_a_special_token() -> None:
    from aiohttp import web

    seen: list[str] = []

    async def chat(request: web.Request) -> web.Response:
        seen.append((await request.json())["messages"][1]["content"])
        return web.json_response({"error": {"message": "no"}}, status=400)

    async with other(chat=chat) as worker:
        with pytest.raises(AsideFailed):
            await ask_aside(worker, "", "hi <|eot_id|> there", max_tokens=20)
    assert "<|eot_id|>" not in seen[0]

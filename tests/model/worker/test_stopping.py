"""How a worker stops: what runs may end, what cannot is handed back, and the process is gone in time."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest

from bot.errors import WorkerBusy
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.engine.fake import FakeEngine
from tests.model.worker.conftest import Running, Serve, until
from tests.model.worker.test_process import QUIET, worker_process


@asynccontextmanager
async def stopping(running: Running, grace: float):
    task = asyncio.create_task(running.worker.stop(grace))
    await asyncio.sleep(0)
    yield task
    await task


async def first_text(stream) -> None:
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            return


async def test_a_running_answer_ends_within_the_grace_while_new_ones_are_told_to_come_back(serve: Serve):
    running = await serve(FakeEngine(tokens_per_second=100))
    ask = running.client.chat.completions.create
    stream = await ask(model="fake", messages=[{"role": "user", "content": "word " * 20}], stream=True)
    await first_text(stream)
    async with stopping(running, 10) as ended:
        with pytest.raises(openai.InternalServerError) as failure:
            await ask(model="fake", messages=[{"role": "user", "content": "hi"}])
        rest = [chunk async for chunk in stream]
    assert failure.value.status_code == 503
    assert failure.value.code == "worker_stopping"
    assert int(failure.value.response.headers["Retry-After"]) >= 1
    assert rest[-1].choices[0].finish_reason == "stop"
    assert await ended == 0
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/health") as response:
        assert (response.status, (await response.json())["status"]) == (503, "stopping")


async def test_what_waits_in_the_queue_is_handed_back_at_once(serve: Serve):
    running = await serve(FakeEngine(slots=1, tokens_per_second=40))
    ask = running.client.chat.completions.create
    runs = asyncio.create_task(ask(model="fake", messages=[{"role": "user", "content": "word " * 8}]))
    await until(lambda: running.worker.load.running == 1)
    waits = asyncio.create_task(ask(model="fake", messages=[{"role": "user", "content": "patience"}]))
    await until(lambda: running.worker.load.waiting == 1)
    async with stopping(running, 10) as ended:
        with pytest.raises(openai.InternalServerError) as failure:
            await waits
        assert failure.value.code == "worker_stopping"
        assert not runs.done()
        assert (await runs).choices[0].finish_reason == "stop"
    assert await ended == 1


async def test_a_stream_that_outlasts_the_grace_ends_with_an_error_and_not_with_a_reset(serve: Serve):
    engine = FakeEngine(tokens_per_second=50)
    running = await serve(engine)
    body = {"messages": [{"role": "user", "content": "!words 400"}], "stream": True}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.url}/v1/chat/completions", json=body) as response,
    ):
        await response.content.readuntil(b"\n\n")
        async with stopping(running, 0.1):
            rest = (await response.read()).decode()
    assert '"code": "worker_stopping"' in rest
    assert rest.endswith("data: [DONE]\n\n")
    assert engine.load.running == 0
    assert engine.cancelled


async def test_the_bot_takes_it_for_a_worker_to_come_back_to(serve: Serve):
    running = await serve(FakeEngine(tokens_per_second=50))
    async with open_client(f"{running.url}/v1", None) as client:
        bot = OpenAIWorker(client)
        request = Generation([{"role": "user", "content": "!words 400"}], max_tokens=500, request_id="job-1")
        pieces = bot.write(request)
        await anext(pieces)
        async with stopping(running, 0.1):
            with pytest.raises(WorkerBusy):
                async for _ in pieces:
                    pass


async def test_the_process_hands_back_and_ends_with_0(tmp_path: Path):
    arguments = ("--tokens-per-second", "20", "--grace", "0.3")
    async with worker_process(tmp_path, *arguments) as (process, url):
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        stream = await client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "!words 400"}], stream=True
        )
        await first_text(stream)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="stopping") as failure:
            async for _ in stream:
                pass
        assert failure.value.code == "worker_stopping"
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await client.close()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path):
    arguments = ("--tokens-per-second", "5", "--grace", "60")
    async with worker_process(tmp_path, *arguments) as (process, url):
        body = {"messages": [{"role": "user", "content": "!words 400"}], "stream": True}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{url}/v1/chat/completions", json=body) as response,
        ):
            await response.content.readuntil(b"\n\n")
            process.send_signal(signal.SIGTERM)
            while True:
                async with http.get(f"{url}/health") as health:
                    if health.status == 503:
                        break
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10) == 130
            assert time.monotonic() - began < 5


async def test_a_signal_while_it_loads_ends_it_with_0(tmp_path: Path):
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "model", "serve", "--preset", "tiny", "--port", str(port)),
        cwd=tmp_path,
        env=QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/health") as response:
                        assert (await response.json())["status"] == "loading"
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(process.communicate(), 15)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert b"worker ready" not in output


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

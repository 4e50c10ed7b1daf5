"""Clients that were not made for this worker, as they come: OpenAI's, without and with asyncio, and `llm`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import openai
import pytest
import yaml

from model.engine.fake import FakeEngine
from tests.model.worker.conftest import Running, Serve

TOKEN = "a-long-secret"
HELLO = [{"role": "user", "content": "Once upon a time"}]


def sync_client(running: Running, **changes) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": f"{running.url}/v1", "api_key": TOKEN, "max_retries": 0, **changes})


async def test_the_client_without_asyncio_gets_an_answer_whole_and_streamed(serve: Serve):
    running = await serve(token=TOKEN)

    def ask() -> tuple[str | None, str, int]:
        with sync_client(running) as client:
            whole = client.chat.completions.create(model="fake", messages=HELLO)
            stream = client.chat.completions.create(
                model="fake", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
            chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return (
            whole.choices[0].message.content,
            text,
            chunks[-1].usage.total_tokens - whole.usage.total_tokens,
        )

    assert await asyncio.to_thread(ask) == ("Once upon a time", "Once upon a time", 0)


async def test_the_clients_stream_helper_understands_the_chunks(serve: Serve):
    running = await serve(token=TOKEN)
    async with running.client.chat.completions.stream(model="fake", messages=HELLO) as stream:
        events = [event.type async for event in stream]
        completion = await stream.get_final_completion()
    assert "content.delta" in events
    assert completion.choices[0].message.content == "Once upon a time"


@pytest.mark.parametrize(
    ("kind", "changes", "api_key"),
    [
        (openai.BadRequestError, {"n": 2}, TOKEN),
        (openai.AuthenticationError, {}, "someone-elses"),
        (openai.NotFoundError, {"model": "gpt-9"}, TOKEN),
    ],
)
async def test_errors_become_the_clients_own_with_the_requests_id(
    serve: Serve, kind: type[openai.APIStatusError], changes: dict, api_key: str
):
    running = await serve(token=TOKEN)

    def ask() -> None:
        headers = {"X-Request-Id": "mine-7"}
        with sync_client(running, api_key=api_key, default_headers=headers) as client:
            client.chat.completions.create(**{"model": "fake", "messages": HELLO, **changes})

    with pytest.raises(kind) as failure:
        await asyncio.to_thread(ask)
    assert failure.value.request_id == "mine-7"
    assert failure.value.body["request_id"] == "mine-7"


async def test_the_clients_own_retry_waits_as_a_full_queue_asks(serve: Serve):
    running = await serve(FakeEngine(slots=1, queue_limit=0, tokens_per_second=10), token=TOKEN)
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(running.client.chat.completions.create(model="fake", messages=HELLO))
    while not running.worker.load.running:
        await asyncio.sleep(0.01)
    running.worker.models[0].engine._slots._mean_seconds = 0.5
    began = loop.time()
    patient = running.client.with_options(max_retries=3)
    answer = await patient.chat.completions.create(model="fake", messages=HELLO)
    assert answer.choices[0].message.content == "Once upon a time"
    assert loop.time() - began >= 1
    await first


@pytest.fixture
def llm(tmp_path: Path):
    """`llm(running, "prompt", …)`: simonw's command, set up as its documentation says."""

    def run(running: Running, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        model = {"model_id": "fanfabler", "model_name": "fake", "api_key_name": "fanfabler"}
        model["api_base"] = f"{running.url}/v1"
        (tmp_path / "extra-openai-models.yaml").write_text(yaml.safe_dump([model]))
        command = Path(sys.executable).with_name("llm")
        return subprocess.run(
            [command, "-m", "fanfabler", "--key", token, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=60,
            env=os.environ | {"LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": ""},
        )

    async def call(*arguments, **options) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(run, *arguments, **options)

    return call


async def test_llm_streams_an_answer_and_continues_the_conversation_without_streaming(serve: Serve, llm):
    engine = FakeEngine()
    running = await serve(engine, token=TOKEN)
    streamed = await llm(running, "first", "-s", "Be kind.", "-o", "temperature", "0.5")
    assert (streamed.stdout, streamed.stderr) == ("first\n", "")
    assert engine.requests[0].messages == (("system", "Be kind."), ("user", "first"))
    assert engine.requests[0].sampling.temperature == 0.5
    whole = await llm(running, "second", "--no-stream", "-c")
    assert (whole.stdout, whole.stderr) == ("second\n", "")
    assert engine.requests[1].messages[-3:] == (("user", "first"), ("assistant", "first"), ("user", "second"))


async def test_llm_says_what_the_worker_refused(serve: Serve, llm):
    running = await serve(token=TOKEN)
    result = await llm(running, "x", token="someone-elses")
    assert result.returncode == 1
    assert "A valid bearer token is needed." in result.stderr

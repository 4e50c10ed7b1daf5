"""The worker's protocol, by bare HTTP: what each wrong, odd or big request is answered with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from model.byte_tokenizer import byte_tokenizer
from model.engine.codec import PromptCodec
from model.engine.fake import FakeEngine
from model.server import body as server_body
from model.server import chat as server_chat
from tests.model.worker.conftest import Running, Serve, fake_model, listening, until

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def refused(http: aiohttp.ClientSession, running: Running, body: object, path: str = CHAT) -> dict:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http.post(running.url + path, data=data) as response:
        error = (await response.json())["error"]
        assert error["request_id"] == response.headers["X-Request-Id"]
        assert set(error) == {"message", "type", "param", "code", "request_id"}
        return {"status": response.status, **error}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "x"}}]),
        ("tool_choice", "required"),
        ("functions", [{"name": "x"}]),
        ("response_format", {"type": "json_object"}),
        ("logprobs", True),
        ("top_logprobs", 2),
        ("logit_bias", {"1": 5}),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {}),
        ("min_p", 0.1),
        ("min_tokens", 5),
        ("stop_token_ids", [3]),
        ("ignore_eos", True),
        ("structured_outputs", {"json": {}}),
        ("chat_template", "{{ x }}"),
    ],
)
async def test_what_would_change_the_answer_and_is_not_served_is_named(
    serve: Serve, http: aiohttp.ClientSession, field: str, value: object
):
    error = await refused(http, await serve(), {"messages": HELLO, field: value})
    assert (error["status"], error["param"], error["code"]) == (400, field, "unsupported_parameter")
    assert field in error["message"]


async def test_what_changes_nothing_is_accepted(serve: Serve, http: aiohttp.ClientSession):
    running = await serve()
    body = {
        "messages": HELLO,
        "model": None,
        "n": 1,
        "user": "someone",
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "auto",
        "parallel_tool_calls": True,
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "logprobs": False,
        "logit_bias": None,
        "modalities": ["text"],
        "prediction": None,
        "stop": None,
        "min_p": 0,
        "a_field_of_tomorrow": 1,
    }
    async with http.post(running.url + CHAT, json=body) as response:
        assert response.status == 200, await response.text()


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"messages": HELLO, "n": 3}, "n", "one answer per request"),
        ({"messages": HELLO, "model": "m" * 300}, "model", "256"),
        ({"messages": "hi"}, "messages", "valid array"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "'assistant'"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "required"),
        (b'{"messages": [{"role": "user", "content": "\\ud83d"}]}', "messages.0.content", "surrogate"),
        (b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}', "temperature", "2"),
        ({"messages": HELLO, "repetition_penalty": 1e-300}, "repetition_penalty", "0.01"),
        (
            {"messages": HELLO, "continue_final_message": True},
            "continue_final_message",
            "assistant's message as the last",
        ),
        (
            {"messages": HELLO, "continue_final_message": True, "add_generation_prompt": True},
            "add_generation_prompt",
            "exclude each other",
        ),
    ],
)
async def test_a_fault_is_named_with_its_field(
    serve: Serve, http: aiohttp.ClientSession, body: object, param: str, words: str
):
    error = await refused(http, await serve(), body)
    assert (error["status"], error["param"]) == (400, param)
    assert words in error["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b'{"messages":', b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_400(serve: Serve, http: aiohttp.ClientSession, body: bytes):
    error = await refused(http, await serve(), body)
    assert (error["status"], error["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"prompt": "x", "messages": HELLO}, "messages"),
        ({"messages": HELLO, "continue_final_message": True}, "continue_final_message"),
        ({"prompt": "x" * 4000}, "prompt"),
        ({"messages": [{"role": "user", "content": "x" * 4000}]}, "messages"),
        (b'{"prompt": "\\udc00"}', "prompt"),
    ],
)
async def test_what_cannot_be_tokenised_is_refused_by_name(
    serve: Serve, http: aiohttp.ClientSession, body: object, param: str
):
    error = await refused(http, await serve(context_length=100), body, "/tokenize")
    assert (error["status"], error["param"]) == (400, param)


async def test_tokens_can_be_seen_as_text(serve: Serve, http: aiohttp.ClientSession):
    running = await serve()
    body = {"prompt": "two words", "return_token_strs": True}
    async with http.post(f"{running.url}/tokenize", json=body) as response:
        told = await response.json()
    assert "".join(told["token_strs"]) == "two words"
    assert len(told["token_strs"]) == len(told["tokens"]) == told["count"]


async def test_an_unknown_route_and_a_wrong_method_have_openais_shape(
    serve: Serve, http: aiohttp.ClientSession
):
    running = await serve()
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", CHAT, 405),
        ("GET", "/v1/models/a/b", 404),
    ):
        async with http.request(method, running.url + path) as response:
            assert response.status == status
            assert (await response.json())["error"]["message"]


async def test_a_body_too_big_is_413_and_says_how_much_fits(serve: Serve, http: aiohttp.ClientSession):
    error = await refused(http, await serve(max_body=1000), b"x" * 2000)
    assert (error["status"], error["code"]) == (413, "request_too_large")
    assert "1000" in error["message"]


async def test_a_body_that_never_ends_is_given_up(
    serve: Serve, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server_body, "BODY_SECONDS", 0.1)
    running = await serve()

    async def drip() -> AsyncIterator[bytes]:
        yield b'{"messages": '
        await asyncio.sleep(30)

    async with http.post(running.url + CHAT, data=drip()) as response:
        assert response.status == 408
        assert (await response.json())["error"]["code"] == "request_timeout"


async def test_a_client_that_reads_nothing_loses_its_slot(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server_chat, "WRITE_SECONDS", 0.2)
    engine = FakeEngine(replies=["word " * 40_000])
    running = await serve(engine, context_length=10_000_000)
    body = json.dumps({"messages": HELLO, "stream": True, "max_tokens": 1_000_000}).encode()
    host, port = running.url.removeprefix("http://").split(":")
    _reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await until(lambda: running.worker.load.running == 1)
    await until(lambda: running.worker.load.running == 0, 20)
    assert engine.cancelled
    writer.close()


@pytest.mark.parametrize("header", ["Bearer a-long-secret", "bearer a-long-secret", "Bearer  a-long-secret"])
async def test_the_token_is_taken_as_http_writes_it(serve: Serve, http: aiohttp.ClientSession, header: str):
    running = await serve(token="a-long-secret")
    async with http.get(f"{running.url}/v1/models", headers={"Authorization": header}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "a-long-secret", "Basic a-long-secret", "Bearer ü"]
)
async def test_anything_else_is_401(serve: Serve, http: aiohttp.ClientSession, header: str):
    running = await serve(token="a-long-secret")
    async with http.get(f"{running.url}/v1/models", headers={"Authorization": header}) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "invalid_api_key"


async def test_the_models_say_how_many_answers_are_written_at_once(serve: Serve, http: aiohttp.ClientSession):
    running = await serve(FakeEngine(slots=7))
    async with http.get(f"{running.url}/v1/models") as response:
        assert (await response.json())["data"][0]["slots"] == 7


class _ByteEngine(FakeEngine):
    """Generates the bytes of a text one by one, as a model does that has no token for a character."""

    def __init__(self, text: str, codec: PromptCodec) -> None:
        super().__init__()
        self._tokens = [*text.encode(), min(codec.stop_token_ids())]

    def _answer(self, request):
        return self._tokens, float("inf")


@pytest.mark.parametrize("text", ["猫は静かに歩いた。", "👨‍👩‍👧‍👦 und 🇰🇷", "नमस्ते é", "Жар-птица"])
async def test_no_chunk_splits_a_character(http: aiohttp.ClientSession, text: str):
    codec = PromptCodec("llama3", byte_tokenizer())
    model = replace(fake_model(FakeEngine()), engine=_ByteEngine(text, codec), codec=codec)
    async with listening([model]) as running:
        body = {"messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
        async with http.post(running.url + CHAT, json=body) as response:
            raw = await response.read()
    chunks = [json.loads(line[6:]) for line in raw.decode().split("\n\n") if line.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]]
    assert "".join(deltas) == text
    assert len([delta for delta in deltas if delta]) == len(text)
    assert chunks[-1]["usage"]["completion_tokens"] == len(text.encode()) + 1
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"

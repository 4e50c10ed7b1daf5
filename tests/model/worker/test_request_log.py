"""The log: one line a request, with all that an operator needs and nothing that anybody wrote."""

from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager

import aiohttp
import pytest

from model.engine.fake import FakeEngine
from model.log_format import JsonFormatter
from tests.model.worker.conftest import Serve, until

SECRET = "the-butler-did-it"


@contextmanager
def json_log(level: int = logging.INFO):
    """Lines of the worker's log as JSON, as they come."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("model")
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


async def test_an_answer_is_one_line_of_json_with_model_tokens_and_times(serve: Serve):
    running = await serve()
    with json_log() as lines:
        answer = await running.client.chat.completions.create(
            model="fake",
            messages=[{"role": "user", "content": SECRET}],
            extra_headers={"X-Request-Id": "answer-7-1"},
        )
        await until(lines)
    [line] = lines()
    assert line["logger"] == "model.server"
    assert (line["id"], line["method"], line["path"]) == ("answer-7-1", "POST", "/v1/chat/completions")
    assert (line["status"], line["model"], line["finish"], line["stream"]) == (200, "fake", "stop", False)
    assert line["prompt_tokens"] == answer.usage.prompt_tokens
    assert line["completion_tokens"] == answer.usage.completion_tokens
    assert 0 <= line["ttft_ms"] <= line["ms"]
    assert SECRET not in json.dumps(line)


async def test_a_refusal_is_logged_with_its_code_and_reason(serve: Serve):
    running = await serve()
    with json_log() as lines:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{running.url}/v1/chat/completions", json={"messages": [], "n": 2}) as response,
        ):
            told = (await response.json())["error"]
        await until(lines)
    [line] = lines()
    assert (line["status"], line["code"], line["error"]) == (400, told["code"], told["message"])
    assert line["id"] == told["request_id"]


async def test_what_went_wrong_in_mid_answer_is_in_the_line_and_its_text_is_not(serve: Serve):
    running = await serve()
    body = {"messages": [{"role": "user", "content": f"{SECRET} once more\n!fail"}], "stream": True}
    with json_log(logging.DEBUG) as lines:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{running.url}/v1/chat/completions", json=body) as response,
        ):
            told = await response.text()
        await until(lines)
    assert "told to fail" in told
    [line] = lines()
    assert (line["status"], line["finish"], line["code"]) == (200, "failed", "generation_failed")
    assert SECRET not in json.dumps(lines())


async def test_an_unforeseen_failure_is_logged_with_its_trace_and_told_without(serve: Serve):
    class Broken(FakeEngine):
        def generate(self, request):
            raise RuntimeError("a bug")

    running = await serve(Broken())
    body = {"messages": [{"role": "user", "content": SECRET}]}
    with json_log() as lines:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{running.url}/v1/chat/completions", json=body) as response,
        ):
            assert response.status == 500
            assert "a bug" not in await response.text()
        await until(lambda: len(lines()) == 2)
    [trace, line] = lines()
    assert "RuntimeError: a bug" in trace["exception"]
    assert line["id"] in trace["message"]
    assert SECRET not in json.dumps(lines())


async def test_a_client_that_left_is_a_499(serve: Serve):
    running = await serve(FakeEngine(tokens_per_second=50))
    with json_log() as lines:
        stream = await running.client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "!words 300"}], stream=True
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        await until(lines)
    [line] = lines()
    assert (line["status"], line["finish"]) == (499, "gone")


@pytest.mark.parametrize("given", ["with space", "a" * 129, 'x"}', "é", "a\tb", "<script>"])
async def test_an_unfit_id_is_replaced_everywhere(serve: Serve, given: str):
    running = await serve()
    with json_log() as lines:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{running.url}/v1/models/none", headers={"X-Request-Id": given}) as response,
        ):
            own = response.headers["X-Request-Id"]
            assert (await response.json())["error"]["request_id"] == own
        await until(lines)
    assert len(own) == 32
    assert [line["id"] for line in lines()] == [own]


async def test_a_path_cannot_write_lines_of_its_own(serve: Serve, caplog: pytest.LogCaptureFixture):
    running = await serve()
    with caplog.at_level(logging.INFO, logger="model.server"):
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{running.url}/v1/models/x%0AINFO%20forged") as response,
        ):
            assert response.status == 404
        await until(lambda: caplog.records)
    [message] = [record.getMessage() for record in caplog.records]
    assert "\n" not in message


async def test_looking_after_it_fills_no_log(serve: Serve):
    running = await serve()
    with json_log() as lines:
        async with aiohttp.ClientSession() as http:
            for path in ("/health", "/metrics", "/v1/models"):
                async with http.get(running.url + path) as response:
                    assert response.status == 200
        await until(lines)
    assert [line["path"] for line in lines()] == ["/v1/models"]

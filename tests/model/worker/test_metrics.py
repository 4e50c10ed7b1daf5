"""`GET /metrics`: that the numbers are right, that there are few enough of them, and who may read them."""

from __future__ import annotations

import asyncio

import aiohttp
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model.engine.fake import FakeCodec, FakeEngine
from model.server.metrics import Metrics
from model.server.worker import Worker
from model.serving import served_models
from tests.model.worker.conftest import Running, Serve, listening, until

HELLO = [{"role": "user", "content": "Once upon a time there was"}]


class Reading:
    """What `/metrics` says at one moment."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        found = [
            sample.value
            for sample in self._samples
            if sample.name == f"fanfabler_{name}" and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} {labels}"
        return sum(found)

    def labels(self, name: str) -> set[str]:
        return {
            value
            for sample in self._samples
            if sample.name.startswith(f"fanfabler_{name}")
            for value in sample.labels.values()
        }


async def read(running: Running, **headers: str) -> Reading:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{running.url}/metrics", headers=headers) as response,
    ):
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return Reading(await response.text())


async def test_tokens_times_and_outcomes_are_counted(serve: Serve):
    running = await serve(FakeEngine(tokens_per_second=200))
    ask = running.client.chat.completions.create
    whole = await ask(model="fake", messages=HELLO)
    await (await ask(model="fake", messages=HELLO, stream=True)).close()
    short = await ask(model="fake", messages=HELLO, max_tokens=2)
    await until(lambda: running.worker.load.running == 0)
    told = await read(running)
    assert told("answers_total", model="fake", outcome="stop") == 1
    assert told("answers_total", model="fake", outcome="length") == 1
    assert told("answers_total", model="fake", outcome="gone") == 1
    assert told("prompt_tokens_total", model="fake") == 3 * whole.usage.prompt_tokens
    assert told("time_to_first_token_seconds_count", model="fake") in (2, 3)
    assert told("e2e_request_latency_seconds_count", model="fake") == 2
    generated = whole.usage.completion_tokens + short.usage.completion_tokens
    assert told("generation_tokens_total", model="fake") in (generated, generated + 1)
    assert told("e2e_request_latency_seconds_sum") >= whole.usage.completion_tokens / 200
    assert told("time_to_first_token_seconds_sum") >= 2 / 200
    between = told("inter_token_latency_seconds_sum") / told("inter_token_latency_seconds_count")
    assert 1 / 200 <= between < 0.2
    assert told("http_requests_total", route="/v1/chat/completions", status="200") == 2
    assert told("http_requests_total", route="/v1/chat/completions", status="499") == 1


async def test_queue_batch_and_refusals_show_how_busy_it_is(serve: Serve):
    running = await serve(FakeEngine(slots=2, queue_limit=1, tokens_per_second=40))
    ask = running.client.chat.completions.create
    answers = [asyncio.create_task(ask(model="fake", messages=HELLO)) for _ in range(3)]
    await until(lambda: running.worker.load.waiting == 1)
    with pytest.raises(openai.InternalServerError):
        await ask(model="fake", messages=HELLO)
    told = await read(running)
    assert told("num_requests_running", model="fake") == 2
    assert told("num_requests_waiting", model="fake") == 1
    assert told("slots", model="fake") == 2
    assert told("errors_total", code="queue_full") == 1
    assert told("http_requests_total", status="503") == 1
    await asyncio.gather(*answers)
    told = await read(running)
    tokens = len(FakeCodec().encode_text(HELLO[0]["content"])) + 1
    assert told("batch_size_count", model="fake") == 3 * tokens
    assert tokens * 3 < told("batch_size_sum", model="fake") < tokens * 6
    assert told("request_queue_time_seconds_count", model="fake") == 3
    assert told("request_queue_time_seconds_sum", model="fake") >= 0.8 * tokens / 40


async def test_a_failure_in_mid_answer_is_counted_though_the_status_was_200(serve: Serve):
    running = await serve()
    body = {"messages": [{"role": "user", "content": "some words\n!fail"}], "stream": True}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.url}/v1/chat/completions", json=body) as response,
    ):
        assert "generation_failed" in await response.text()
    told = await read(running)
    assert told("answers_total", outcome="failed") == 1
    assert told("errors_total", code="generation_failed") == 1


async def test_clients_cannot_make_up_new_series(serve: Serve):
    running = await serve()
    async with aiohttp.ClientSession() as http:
        for number in range(30):
            async with http.request("PROPFIND", f"{running.url}/made-up/{number}") as response:
                assert response.status == 404
            body = {"model": f"made-up-{number}", "messages": HELLO}
            async with http.post(f"{running.url}/v1/chat/completions", json=body) as response:
                assert response.status == 404
    told = await read(running)
    assert told("http_requests_total", route="unknown", method="other", status="404") == 30
    assert not any("made-up" in label for label in told.labels(""))


def test_names_of_models_beyond_the_bound_share_one_series():
    metrics = Metrics(Worker())
    names = {metrics.series(f"adapter-{number}").name for number in range(200)}
    assert len(names) == 65
    assert "other" in names


async def test_the_cache_in_use_is_shown_for_a_real_engine():
    from tests.model.worker.models import loaded

    async with listening(served_models(loaded("tiny"))) as running:
        assert (await read(running))("kv_cache_usage_ratio", model="tiny") == 0
        stream = await running.client.chat.completions.create(
            model="tiny", messages=HELLO, max_tokens=900, stream=True, extra_body={"stop": ["\0never"]}
        )
        async for _ in stream:
            break
        used = (await read(running))("kv_cache_usage_ratio", model="tiny")
        await stream.close()
        assert 0 < used < 1


async def test_the_metrics_are_behind_the_token(serve: Serve):
    running = await serve(token="a-long-secret")
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/metrics") as response:
        assert response.status == 401
    await read(running, Authorization="Bearer a-long-secret")


async def test_openmetrics_is_spoken_to_who_asks_for_it(serve: Serve):
    running = await serve()
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{running.url}/metrics", headers=headers) as response,
    ):
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await response.text()).endswith("# EOF\n")

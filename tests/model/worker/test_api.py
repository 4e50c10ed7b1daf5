"""The worker's HTTP API, driven by OpenAI's client and, where that is too polite, by bare HTTP."""

from __future__ import annotations

import asyncio
import json
import logging

import aiohttp
import openai
import pytest

from model.engine.fake import FakeCodec, FakeEngine
from tests.model.worker.conftest import Serve, until


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def test_a_whole_answer_has_text_usage_reason_and_fingerprint(serve: Serve):
    running = await serve()
    answer = await running.client.chat.completions.create(model="fake", messages=user("Once upon a time"))
    assert answer.choices[0].message.content == "Once upon a time"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.system_fingerprint == "fake/base/plain"
    codec = FakeCodec()
    assert answer.usage.prompt_tokens == len(codec.encode_chat((("user", "Once upon a time"),)))
    assert answer.usage.completion_tokens == len(codec.encode_text("Once upon a time")) + 1
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_a_streamed_answer_comes_in_many_deltas_and_ends_with_its_reason_and_usage(serve: Serve):
    running = await serve()
    stream = await running.client.chat.completions.create(
        model="fake",
        messages=user("猫は静かに歩いた。" * 5),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "猫は静かに歩いた。" * 5
    assert len([text for text in texts if text]) > 5
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 5
    assert len({chunk.id for chunk in chunks}) == 1


async def test_usage_is_streamed_only_where_asked_for(serve: Serve):
    running = await serve()
    stream = await running.client.chat.completions.create(model="fake", messages=user("hi"), stream=True)
    assert all(chunk.usage is None for chunk in [chunk async for chunk in stream])


async def test_max_tokens_ends_an_answer_by_length(serve: Serve):
    running = await serve()
    answer = await running.client.chat.completions.create(
        model="fake", messages=user("one two three four five"), max_tokens=2
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 2


async def test_a_stop_string_ends_the_answer_before_it_is_shown(serve: Serve):
    running = await serve()
    stream = await running.client.chat.completions.create(
        model="fake", messages=user("The end is near. Not yet."), stop=["near. N"], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "The end is "
    assert chunks[-1].choices[0].finish_reason == "stop"
    await until(lambda: running.worker.load.running == 0)


async def test_an_answer_goes_on_from_the_final_message(serve: Serve):
    running = await serve(FakeEngine(replies=["The dragon slept. Then it woke."]))
    answer = await running.client.chat.completions.create(
        model="fake",
        messages=[*user("A tale"), {"role": "assistant", "content": "The dragon slept."}],
        extra_body={"continue_final_message": True, "add_generation_prompt": False},
    )
    assert answer.choices[0].message.content == " Then it woke."


async def test_sampling_parameters_reach_the_engine_and_defaults_fill_the_rest(serve: Serve):
    engine = FakeEngine()
    running = await serve(engine)
    await running.client.chat.completions.create(
        model="fake",
        messages=user("hi"),
        temperature=0,
        seed=7,
        presence_penalty=0.5,
        extra_body={
            "top_k": 3,
            "repetition_penalty": 1.3,
            "dry_multiplier": 0.8,
            "dry_allowed_length": 6,
            "penalize_nl": False,
        },
    )
    sampling = engine.requests[0].sampling
    assert (sampling.dry_multiplier, sampling.dry_allowed_length, sampling.dry_base) == (0.8, 6, 1.75)
    assert (sampling.temperature, sampling.seed, sampling.top_k) == (0, 7, 3)
    assert (sampling.presence_penalty, sampling.repetition_penalty, sampling.penalize_nl) == (0.5, 1.3, False)
    assert sampling.top_p == 0.95
    assert sampling.greedy


async def test_messages_may_come_in_parts_of_text(serve: Serve):
    engine = FakeEngine()
    running = await serve(engine)
    parts = [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]
    await running.client.chat.completions.create(
        model="fake",
        messages=[{"role": "developer", "content": "Be kind"}, {"role": "user", "content": parts}],
    )
    assert engine.requests[0].messages == (("system", "Be kind"), ("user", "Hello there"))


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"seed": "soon"}, "seed"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(serve: Serve, change: dict, param: str):
    running = await serve()
    body = {"model": "fake", "messages": user("hi")} | change
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.url}/v1/chat/completions", json=body) as response,
    ):
        error = (await response.json())["error"]
        assert response.status == 400
        assert error["param"] == param
        assert param in error["message"]
        assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("field", ["tools", "logprobs", "response_format", "logit_bias"])
async def test_what_is_not_served_is_refused_and_not_ignored(serve: Serve, field: str):
    running = await serve()
    values = {
        "tools": [{}],
        "logprobs": True,
        "response_format": {"type": "json_object"},
        "logit_bias": {"1": 1},
    }
    with pytest.raises(openai.BadRequestError, match=field):
        await running.client.chat.completions.create(
            model="fake", messages=user("hi"), extra_body={field: values[field]}
        )


async def test_an_unknown_model_is_404_and_says_which_there_are(serve: Serve):
    running = await serve()
    with pytest.raises(openai.NotFoundError, match="there is: fake") as failure:
        await running.client.chat.completions.create(model="gpt-9", messages=user("hi"))
    assert failure.value.param == "model"
    assert failure.value.code == "model_not_found"


async def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(serve: Serve):
    running = await serve(context_length=100)
    with pytest.raises(openai.BadRequestError) as failure:
        await running.client.chat.completions.create(model="fake", messages=user("word " * 200))
    assert failure.value.code == "context_length_exceeded"
    assert "100" in failure.value.message
    assert any(int(number) > 200 for number in failure.value.message.split() if number.isdigit())


async def test_a_prompt_that_no_context_could_hold_is_refused_before_it_is_tokenised(serve: Serve):
    running = await serve(context_length=100)
    with pytest.raises(openai.BadRequestError, match="4000 characters, which no 100 tokens"):
        await running.client.chat.completions.create(model="fake", messages=user("a" * 4000))


async def test_an_answer_ends_where_the_context_does(serve: Serve):
    running = await serve(context_length=64)
    answer = await running.client.chat.completions.create(
        model="fake", messages=user("word " * 40), max_tokens=500
    )
    assert answer.usage.total_tokens == 64
    assert answer.choices[0].finish_reason == "length"


async def test_broken_json_and_big_bodies_are_refused_in_openais_shape(serve: Serve):
    running = await serve(max_body=1000)
    url = f"{running.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=b"{nope") as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "invalid_json"
        async with http.post(url, data=b"x" * 2000) as response:
            assert response.status == 413
            assert (await response.json())["error"]["code"] == "request_too_large"
        async with http.get(f"{running.url}/nowhere") as response:
            assert response.status == 404
            assert "error" in await response.json()


async def test_a_full_queue_is_503_with_retry_after_and_loses_nothing(serve: Serve):
    running = await serve(FakeEngine(slots=1, queue_limit=1, tokens_per_second=50))
    ask = [
        asyncio.create_task(
            running.client.chat.completions.create(model="fake", messages=user(f"{i} a b c d"))
        )
        for i in range(2)
    ]
    await until(lambda: running.worker.load.waiting == 1)
    with pytest.raises(openai.InternalServerError) as failure:
        await running.client.chat.completions.create(model="fake", messages=user("no room"))
    assert failure.value.status_code == 503
    assert failure.value.code == "queue_full"
    assert int(failure.value.response.headers["Retry-After"]) >= 1
    assert [(await answer).choices[0].message.content for answer in ask] == ["0 a b c d", "1 a b c d"]


async def test_a_client_that_goes_away_frees_its_slot(serve: Serve):
    engine = FakeEngine(slots=1, tokens_per_second=100)
    running = await serve(engine)
    stream = await running.client.chat.completions.create(
        model="fake", messages=user("!words 400"), stream=True
    )
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    await until(lambda: running.worker.load.running == 0)
    assert engine.cancelled == [engine.requests[0].id]


async def test_a_client_that_goes_away_without_streaming_frees_its_slot(serve: Serve):
    engine = FakeEngine(slots=1, tokens_per_second=100)
    running = await serve(engine)
    with pytest.raises(openai.APITimeoutError):
        await running.client.chat.completions.create(model="fake", messages=user("!words 400"), timeout=0.2)
    await until(lambda: running.worker.load.running == 0)
    assert engine.cancelled


async def test_a_client_that_goes_away_while_waiting_gives_up_its_place(serve: Serve):
    engine = FakeEngine(slots=1, tokens_per_second=20)
    running = await serve(engine)
    first = asyncio.create_task(
        running.client.chat.completions.create(model="fake", messages=user("a b c d e f g h"))
    )
    await until(lambda: running.worker.load.running == 1)
    with pytest.raises(openai.APITimeoutError):
        await running.client.chat.completions.create(model="fake", messages=user("waiting"), timeout=0.1)
    await until(lambda: running.worker.load.waiting == 0)
    assert (await first).choices[0].finish_reason == "stop"


async def test_a_failure_in_mid_stream_reaches_the_client(serve: Serve):
    running = await serve()
    stream = await running.client.chat.completions.create(
        model="fake", messages=user("some words before it fails\n!fail"), stream=True
    )
    texts = []

    async def read() -> None:
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIError, match="told to fail"):
        await read()
    assert "some" in "".join(texts)
    await until(lambda: running.worker.load.running == 0)


async def test_a_failed_engine_turns_health_red_and_refuses(serve: Serve):
    engine = FakeEngine()
    running = await serve(engine)
    engine.break_down("out of memory")
    assert await running.worker.failed() == "out of memory"
    with pytest.raises(openai.InternalServerError, match="out of memory"):
        await running.client.chat.completions.create(model="fake", messages=user("hi"))
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/health") as response:
        assert response.status == 503
        health = await response.json()
    assert health["ready"] is False
    assert health["reason"] == "out of memory"


async def test_health_shows_the_model_and_the_load(serve: Serve):
    running = await serve(FakeEngine(slots=3, tokens_per_second=100))
    stream = await running.client.chat.completions.create(
        model="fake", messages=user("!words 300"), stream=True
    )
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/health") as response:
        health = await response.json()
    await stream.close()
    assert response.status == 200
    assert health["ready"] is True
    assert health["model"] == "fake"
    assert health["load"] == {"running": 1, "waiting": 0, "slots": 3}


async def test_models_are_listed_as_vllm_does(serve: Serve):
    running = await serve()
    cards = (await running.client.models.list()).data
    assert [card.id for card in cards] == ["fake"]
    assert cards[0].max_model_len == 8192
    assert cards[0].root == "fake"
    assert (await running.client.models.retrieve("fake")).id == "fake"
    with pytest.raises(openai.NotFoundError):
        await running.client.models.retrieve("other")


async def test_tokenize_counts_as_the_answer_will(serve: Serve):
    running = await serve()
    messages = user("How long is this?")
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{running.url}/tokenize", json={"messages": messages}) as response:
            counted = await response.json()
        async with http.post(f"{running.url}/tokenize", json={"prompt": "two words"}) as response:
            plain = await response.json()
        async with http.post(f"{running.url}/tokenize", json={}) as response:
            assert response.status == 400
    answer = await running.client.chat.completions.create(model="fake", messages=messages)
    assert counted["count"] == len(counted["tokens"]) == answer.usage.prompt_tokens
    assert counted["max_model_len"] == 8192
    assert plain["count"] == len(plain["tokens"]) > 0


async def test_a_token_keeps_strangers_out_of_everything_but_health(serve: Serve):
    running = await serve(token="a-long-secret")
    assert (await running.client.models.list()).data
    stranger = running.client.with_options(api_key="wrong-secret")
    with pytest.raises(openai.AuthenticationError):
        await stranger.chat.completions.create(model="fake", messages=user("hi"))
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{running.url}/v1/models") as response:
            assert response.status == 401
        async with http.post(f"{running.url}/tokenize", json={"prompt": "x"}) as response:
            assert response.status == 401
        async with http.get(f"{running.url}/health") as response:
            assert response.status == 200


async def test_a_request_keeps_its_id_and_gets_one_line_in_the_log(serve: Serve, caplog):
    running = await serve()
    with caplog.at_level(logging.INFO, logger="model.server"):
        body = {"model": "fake", "messages": user("hello"), "stream": True}
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{running.url}/v1/chat/completions", json=body, headers={"X-Request-ID": "job-17"}
            ) as response,
        ):
            events = (await response.text()).split("\n\n")
        await until(lambda: caplog.records)
    assert response.headers["X-Request-ID"] == "job-17"
    assert events[-2] == "data: [DONE]"
    assert json.loads(events[0].removeprefix("data: "))["object"] == "chat.completion.chunk"
    [line] = [record.getMessage() for record in caplog.records if record.name == "model.server"]
    assert "id=job-17" in line
    assert "status=200" in line
    assert "finish=stop" in line


async def test_an_unfit_request_id_is_replaced(serve: Serve):
    running = await serve()
    headers = {"X-Request-ID": "with space"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{running.url}/health", headers=headers) as response,
    ):
        assert response.headers["X-Request-ID"] != "with space"

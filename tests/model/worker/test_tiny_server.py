"""OpenAI's client against the real server with the tiny model."""

from __future__ import annotations

import asyncio

import openai
import pytest

from model.serving import served_models
from tests.model.worker.conftest import Running, listening, until
from tests.model.worker.models import loaded, reference

CHAT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello 猫"}]


@pytest.fixture
async def tiny():
    async with listening(served_models(loaded("tiny"))) as running:
        yield running


async def test_a_whole_answer_is_that_of_generate_and_counts_to_the_token():
    [model] = served_models(loaded("tiny"))
    prompt = model.codec.encode_chat((("system", "Be kind."), ("user", "Hello 猫")))
    tokens = reference(loaded("tiny").base, prompt, 32)
    stops = [at for at, token in enumerate(tokens) if token in model.codec.stop_token_ids()]
    tokens = tokens[: stops[0] + 1] if stops else tokens
    async with listening([model]) as tiny:
        answer = await tiny.client.chat.completions.create(
            model="tiny", messages=CHAT, temperature=0, max_tokens=32
        )
    assert answer.usage.prompt_tokens == len(prompt)
    assert answer.usage.completion_tokens == len(tokens)
    assert answer.choices[0].finish_reason == ("stop" if stops else "length")
    assert answer.system_fingerprint == "tiny/base/llama3"


async def test_a_streamed_answer_is_the_whole_one_in_pieces(tiny: Running):
    create = tiny.client.chat.completions.create
    whole = await create(model="tiny", messages=CHAT, seed=5, max_tokens=40)
    stream = await create(
        model="tiny",
        messages=CHAT,
        seed=5,
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


async def test_many_clients_with_different_wishes_get_what_each_would_alone(tiny: Running):
    wishes = [
        {"temperature": 0},
        {"temperature": 1.2, "seed": 1, "top_p": 0.9},
        {"temperature": 1.2, "seed": 2, "presence_penalty": 1.0},
        {"temperature": 0.4, "seed": 3, "extra_body": {"top_k": 2, "repetition_penalty": 1.3}},
    ]

    async def ask(wish: dict) -> str | None:
        answer = await tiny.client.chat.completions.create(model="tiny", messages=CHAT, max_tokens=24, **wish)
        return answer.choices[0].message.content

    together = await asyncio.gather(*[ask(wish) for wish in wishes * 3])
    alone = [await ask(wish) for wish in wishes]
    assert together == alone * 3
    assert len(set(alone)) == len(alone)


async def test_a_client_that_goes_away_frees_its_slot(tiny: Running):
    stream = await tiny.client.chat.completions.create(
        model="tiny", messages=CHAT, max_tokens=900, stream=True
    )
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    assert tiny.worker.load.running == 1
    await stream.close()
    await until(lambda: tiny.worker.load.running == 0)
    processor = tiny.worker.engines()[0]._manager.batch_processor
    await until(lambda: not processor.scheduler.active_requests)


async def test_a_crash_of_the_engine_is_503_for_all_who_come_after(tiny: Running):
    def crash(*_):
        raise RuntimeError("broken")

    tiny.worker.engines()[0]._manager.batch_processor._generation_step = crash
    with pytest.raises(openai.InternalServerError, match="broken"):
        await tiny.client.chat.completions.create(model="tiny", messages=CHAT)
    assert "broken" in await asyncio.wait_for(tiny.worker.failed(), 5)
    with pytest.raises(openai.InternalServerError) as failure:
        await tiny.client.chat.completions.create(model="tiny", messages=CHAT)
    assert failure.value.code == "engine_failed"

"""The ways of generating that the worker's benchmark compares, each asked for some chats at once.

`generate` and the article's way take one after the other, as they must. The two over HTTP are read as server-sent
events, byte for byte as a client gets them.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from model.engine.base import Engine, GenerationRequest
from tests.benchmarks.figures import Answered, Round
from tests.benchmarks.workload import Chat, Workload, generate_fields

NAMES = GENERATE, ARTICLE, PEER, WORKER, ENGINE = (
    "generate",
    "article",
    "transformers-serve",
    "worker",
    "engine",
)
"""The first two one request at a time, the next two by HTTP, the engine in the process."""


def by_generate(model: Any, work: Workload, count: int) -> Round:
    """transformers' `generate`, one request after the other. Nothing is known of an answer until it is whole."""
    chats, answers = work.chats(count), []
    began = time.perf_counter()
    for chat in chats:
        output = model.generate(**_inputs(model, chat.prompt, work))
        answers.append(Answered((), output.shape[1] - len(chat.prompt)))
    return Round(tuple(answers), time.perf_counter() - began)


def by_the_article(model: Any, tokenizer: Any, work: Workload, count: int) -> Round:
    """The article's way: `generate` in a thread, its text by a `TextIteratorStreamer`, one request after the other."""
    from transformers import TextIteratorStreamer

    def generate(prompt: tuple[int, ...], streamer: Any, tokens: list[int]) -> None:
        output = model.generate(**_inputs(model, prompt, work), streamer=streamer)
        tokens.append(output.shape[1] - len(prompt))

    chats, answers = work.chats(count), []
    began = time.perf_counter()
    for chat in chats:
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
        tokens: list[int] = []
        thread = threading.Thread(target=generate, args=(chat.prompt, streamer, tokens))
        sent = time.perf_counter()
        thread.start()
        # A piece without text is a token that completes no word yet: the streamer gives one for each token.
        arrivals = [time.perf_counter() - sent for _ in streamer]
        thread.join()
        answers.append(Answered(tuple(arrivals), tokens[0]))
    return Round(tuple(answers), time.perf_counter() - began)


def _inputs(model: Any, prompt: tuple[int, ...], work: Workload) -> dict[str, Any]:
    import torch

    ids = torch.tensor([prompt], device=model.device)
    return {
        "inputs": ids,
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": work.tokens,
        "eos_token_id": None,
        "pad_token_id": 0,
        **generate_fields(work.sampling),
    }


async def by_engine(engine: Engine, work: Workload, count: int) -> Round:
    """The engine, without HTTP and without text."""

    async def ask(chat: Chat) -> Answered:
        arrivals, tokens, sent = [], 0, time.perf_counter()
        request = GenerationRequest("benchmark", chat.prompt, work.tokens, work.sampling)
        async with engine.generate(request) as steps:
            async for step in steps:
                arrivals.append(time.perf_counter() - sent)
                tokens += len(step.token_ids)
        return Answered(tuple(arrivals), tokens)

    return await _at_once(ask, work.chats(count))


async def by_http(
    http: aiohttp.ClientSession, url: str, fields: dict[str, Any], work: Workload, count: int
) -> Round:
    """A server of OpenAI's chat API, streaming. `fields` go into every request. Raises `RuntimeError`."""

    async def ask(chat: Chat) -> Answered:
        body = {
            "messages": [{"role": "user", "content": chat.text}],
            "max_tokens": work.tokens,
            "stream": True,
            **fields,
        }
        arrivals: list[float] = []
        tokens, sent = 0, time.perf_counter()
        async with http.post(f"{url}/v1/chat/completions", json=body) as response:
            if response.status != 200:
                raise RuntimeError(f"{url} answered {response.status}: {await response.text()}")
            async for chunk in _events(response):
                if "error" in chunk:
                    raise RuntimeError(f"{url} failed on the way: {chunk['error']}")
                if any(choice["delta"].get("content") for choice in chunk["choices"]):
                    arrivals.append(time.perf_counter() - sent)
                tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
        return Answered(tuple(arrivals), tokens)

    return await _at_once(ask, work.chats(count))


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
            yield json.loads(line[6:])


async def _at_once(ask: Callable[[Chat], Awaitable[Answered]], chats: list[Chat]) -> Round:
    began = time.perf_counter()
    answers = await asyncio.gather(*[ask(chat) for chat in chats])
    return Round(tuple(answers), time.perf_counter() - began)

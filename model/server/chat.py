"""`POST /v1/chat/completions`: from a request to the text of its answer, whole or in chunks.

Stop strings, usage and the finish reason are decided here, on the text; tokens come from the engine.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from model.engine.base import FinishReason, Generation, GenerationRequest
from model.engine.errors import EngineError
from model.engine.stops import Margins, StopStrings
from model.server.drain import RunningAnswers
from model.server.errors import ApiError
from model.server.metrics import AnswerClock, Metrics, Outcome
from model.server.protocol import ChatCompletionRequest
from model.server.request_log import NOTES, note_failure
from model.server.worker import ServedModel

_CHARACTERS_PER_TOKEN = 32
"""More than this no text has on average: what is longer is refused without spending time on its tokens."""
WRITE_SECONDS = 60.0
"""How long a client may leave unread what was sent to it before it is taken for gone."""
_BUFFERED = 32 * 1024
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
"""One encoder for every chunk: `json.dumps` makes a new one each time."""


@dataclass(slots=True)
class Answer:
    """One answer in the making: iterate over `text` and then read the rest."""

    model: ServedModel
    request: GenerationRequest
    generation: Generation
    clock: AnswerClock
    stops: StopStrings
    margins: Margins | None = None
    tokens: int = 0
    finish_reason: FinishReason | None = None

    async def text(self) -> AsyncGenerator[str, None]:
        """The answer's text as it comes. Closing this stops the generation and frees its slot."""
        detokenizer = self.model.codec.detokenizer(self.request.prompt_ids)
        async with self.generation:
            async for step in self.generation:
                self.tokens += len(step.token_ids)
                self.clock.tokens(len(step.token_ids), self.generation)
                delta = self.stops.feed(detokenizer.feed(step.token_ids))
                if step.finish_reason is not None:
                    delta += self.stops.feed(detokenizer.finish())
                    delta += self.stops.finish()
                self.finish_reason = "stop" if self.stops.hit is not None else step.finish_reason
                if self.margins is not None:
                    delta = self.margins.feed(delta)
                    if self.finish_reason is not None:
                        delta += self.margins.finish(complete=self.finish_reason == "stop")
                if delta:
                    yield delta
                if self.finish_reason is not None:
                    return
        raise EngineError("The engine ended an answer without a reason.")

    def usage(self) -> dict[str, int]:
        """In tokens; the stop token that the model generated is one of the completion's."""
        prompt = len(self.request.prompt_ids)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self.tokens,
            "total_tokens": prompt + self.tokens,
        }


def check_length(model: ServedModel, pairs: tuple[tuple[str, str], ...], field: str = "messages") -> None:
    """Refuse what no context could hold before any time is spent on its tokens."""
    length = sum(len(content) for _, content in pairs)
    if length > _CHARACTERS_PER_TOKEN * model.context_length:
        raise ApiError(
            400,
            f"The {field} have {length} characters, which no {model.context_length} tokens can hold.",
            param=field,
            code="context_length_exceeded",
        )


def start_answer(
    model: ServedModel, chat: ChatCompletionRequest, request_id: str, metrics: Metrics
) -> Answer:
    """Render the prompt and hand it to the engine, which accepts or refuses it at once."""
    pairs = chat.pairs()
    check_length(model, pairs)
    prompt = model.codec.encode_chat(pairs, continue_final=chat.continue_final_message)
    room = model.context_length - len(prompt)
    if room < 1:
        raise ApiError(
            400,
            f"The prompt has {len(prompt)} tokens, and this model's context takes {model.context_length} "
            "with the answer.",
            param="messages",
            code="context_length_exceeded",
        )
    request = GenerationRequest(
        id=request_id,
        prompt_ids=tuple(prompt),
        max_tokens=min(chat.limit(model.sampling), room),
        sampling=chat.sampling(model.sampling),
        stop_token_ids=model.codec.stop_token_ids(),
        messages=pairs,
        continues=chat.continue_final_message,
    )
    stops = StopStrings((*chat.stop, *model.codec.stop_strings(pairs)))
    margins = Margins(begun=request.continues) if model.codec.transcript else None
    generation = model.engine.generate(request)
    return Answer(model, request, generation, AnswerClock(metrics, model), stops, margins)


async def answer_whole(answer: Answer, completion_id: str, answers: RunningAnswers) -> web.Response:
    """The answer as one `chat.completion`."""
    async with answers.under_way(answer.generation), aclosing(answer.text()) as deltas:
        content = "".join([delta async for delta in deltas])
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "logprobs": None,
        "finish_reason": answer.finish_reason,
    }
    body = _envelope(answer, completion_id, "chat.completion") | {
        "choices": [choice],
        "usage": answer.usage(),
    }
    return web.json_response(body)


async def answer_in_chunks(
    answer: Answer, completion_id: str, http: web.Request, answers: RunningAnswers, *, include_usage: bool
) -> tuple[web.StreamResponse, Outcome]:
    """The answer as server-sent events of `chat.completion.chunk`, ended by `[DONE]`.

    A failure on the way is an event `{"error": …}`, since the status has been sent long before.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
            "X-Request-Id": http[NOTES].id,
        }
    )
    envelope = _envelope(answer, completion_id, "chat.completion.chunk")
    if include_usage:
        envelope["usage"] = None

    async def send(body: dict[str, Any]) -> None:
        await _write(http, response, f"data: {_encode(body)}\n\n".encode())

    async def send_delta(delta: dict[str, str], finish_reason: FinishReason | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        await send(envelope | {"choices": [choice]})

    async with answer.generation:
        await response.prepare(http)
        await send_delta({"role": "assistant", "content": ""})
        outcome: Outcome
        try:
            async with answers.under_way(answer.generation), aclosing(answer.text()) as deltas:
                async for delta in deltas:
                    await send_delta({"content": delta})
        except ConnectionResetError:
            raise
        except Exception as error:
            failure = note_failure(http, error)
            outcome = failure.outcome
            await send(failure.body(http[NOTES].id))
        else:
            outcome = answer.finish_reason or "stop"
            await send_delta({}, answer.finish_reason)
            if include_usage:
                await send(envelope | {"choices": [], "usage": answer.usage()})
        await _write(http, response, b"data: [DONE]\n\n")
        await response.write_eof()
    return response, outcome


async def _write(http: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Raises `ConnectionResetError` where the client does not read."""
    transport = http.transport
    if transport is not None and transport.get_write_buffer_size() + len(data) < _BUFFERED:
        # asyncio holds writers up from 64 KiB on; below there is nothing to wait for, and so to limit.
        await response.write(data)
        return
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(data)
    except TimeoutError:
        raise ConnectionResetError("The client reads nothing of its answer.") from None


def _envelope(answer: Answer, completion_id: str, kind: str) -> dict[str, Any]:
    return {
        "id": completion_id,
        "object": kind,
        "created": int(time.time()),
        "model": answer.model.name,
        "system_fingerprint": answer.model.fingerprint,
    }

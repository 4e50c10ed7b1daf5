"""The aiohttp application: its routes, and who may call them.

It serves what the `Worker` it is given holds; it loads nothing and imports no torch.
"""

from __future__ import annotations

import hmac
import json
import time
import uuid
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from model.server.chat import answer_in_chunks, answer_whole, start_answer
from model.server.errors import ApiError
from model.server.protocol import ChatCompletionRequest, TokenizeRequest
from model.server.request_log import NOTES, Handler, log_requests
from model.server.worker import Worker

WORKER: web.AppKey[Worker] = web.AppKey("worker", Worker)
MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request; a full context of 131,072 tokens is well below."""

Body = TypeVar("Body", bound=BaseModel)


def build_app(worker: Worker, *, token: str | None = None, max_body: int = MAX_BODY) -> web.Application:
    """The worker's application. With a `token`, every route but `/health` wants it as a bearer token."""
    app = web.Application(middlewares=[log_requests, _require(token)], client_max_size=max_body)
    app[WORKER] = worker
    app.router.add_post("/v1/chat/completions", _chat_completions)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/v1/models/{name}", _model)
    app.router.add_post("/tokenize", _tokenize)
    app.router.add_get("/health", _health)
    return app


def _require(token: str | None) -> Any:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is not None and request.path != "/health":
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, expected):
                raise ApiError(401, "A valid bearer token is needed.", code="invalid_api_key")
        return await handler(request)

    return require_token


async def _read(request: web.Request, kind: type[Body]) -> Body:
    try:
        fields = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON.", code="invalid_json") from None
    return kind.model_validate(fields)


async def _chat_completions(request: web.Request) -> web.StreamResponse:
    notes = request[NOTES]
    chat = await _read(request, ChatCompletionRequest)
    model = request.app[WORKER].find(chat.model)
    answer = start_answer(model, chat, notes.id)
    completion_id = f"chatcmpl-{uuid.uuid4().hex}"
    began = time.monotonic()
    try:
        if not chat.stream:
            return await answer_whole(answer, completion_id)
        include_usage = chat.stream_options is not None and chat.stream_options.include_usage
        return await answer_in_chunks(answer, completion_id, request, include_usage=include_usage)
    finally:
        await answer.generation.aclose()
        first = answer.first_text_at
        notes.details = {
            "model": model.name,
            "stream": int(chat.stream),
            "prompt_tokens": len(answer.request.prompt_ids),
            "completion_tokens": answer.tokens,
            "finish": answer.finish_reason or "none",
            "first_text_ms": round((first - began) * 1000) if first else "none",
        }


async def _models(request: web.Request) -> web.Response:
    worker = request.app[WORKER]
    if worker.state != "ready":
        worker.find("")
    return web.json_response(
        {"object": "list", "data": [_card(model.name, worker) for model in worker.models]}
    )


async def _model(request: web.Request) -> web.Response:
    return web.json_response(_card(request.match_info["name"], request.app[WORKER]))


def _card(name: str, worker: Worker) -> dict[str, Any]:
    """As vLLM describes a model: `root` is the base, `parent` the base of an adapter."""
    model = worker.find(name)
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "fanfabler",
        "root": model.root,
        "parent": model.root if model.adapter else None,
        "max_model_len": model.context_length,
    }


async def _tokenize(request: web.Request) -> web.Response:
    asked = await _read(request, TokenizeRequest)
    model = request.app[WORKER].find(asked.model)
    if asked.messages is not None:
        pairs = tuple(message.pair() for message in asked.messages)
        tokens = model.codec.encode_chat(pairs, continue_final=asked.continue_final_message)
    else:
        tokens = model.codec.encode_text(asked.prompt or "", add_special_tokens=asked.add_special_tokens)
    texts = [model.codec.token_text(token) for token in tokens] if asked.return_token_strs else None
    return web.json_response(
        {"count": len(tokens), "max_model_len": model.context_length, "tokens": tokens, "token_strs": texts}
    )


async def _health(request: web.Request) -> web.Response:
    """200 where requests are served, 503 while loading, stopping or broken."""
    worker = request.app[WORKER]
    failures = [engine.failure for engine in worker.engines() if engine.failure]
    ready = worker.state == "ready" and not failures
    load = worker.load
    body = {
        "ready": ready,
        "status": "failed" if failures else worker.state,
        "reason": failures[0] if failures else worker.reason,
        "model": worker.models[0].name if worker.models else None,
        "models": [model.name for model in worker.models],
        "adapters": [model.adapter for model in worker.models if model.adapter],
        "fingerprint": worker.models[0].fingerprint if worker.models else None,
        "load": {"running": load.running, "waiting": load.waiting, "slots": load.slots},
    }
    return web.json_response(body, status=200 if ready else 503)

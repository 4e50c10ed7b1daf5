"""The aiohttp application: its routes, and who may call them.

It serves what the `Worker` it is given holds; it loads nothing and imports no torch.
"""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

from model.server import admin, openapi
from model.server.authentication import require_token
from model.server.body import read_body
from model.server.chat import answer_in_chunks, answer_whole, check_length, start_answer
from model.server.errors import as_api_error
from model.server.metrics import Metrics, Outcome
from model.server.protocol import ChatCompletionRequest, TokenizeRequest
from model.server.request_log import METRICS, NOTES, log_requests
from model.server.worker import ServedModel, Worker
from model.version import fanfabler_version

WORKER: web.AppKey[Worker] = web.AppKey("worker", Worker)
_ANSWERS: web.AppKey[Metrics] = web.AppKey("answers", Metrics)
MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request; a full context of 131,072 tokens is well below."""


def build_app(
    worker: Worker, *, token: str | None = None, max_body: int = MAX_BODY, open_metrics: bool = False
) -> web.Application:
    """The worker's application. With a `token`, every route wants it as a bearer token, but for `/health`,
    `/openapi.json` and, with `open_metrics`, `/metrics`. `admin.add_routes` adds those that have a token of
    their own."""
    unguarded = {"/health", "/openapi.json", *admin.PATHS} | ({"/metrics"} if open_metrics else set())
    app = web.Application(
        middlewares=[log_requests, require_token(token, unguarded)], client_max_size=max_body
    )
    app[WORKER] = worker
    app[METRICS] = app[_ANSWERS] = Metrics(worker)
    app.router.add_post("/v1/chat/completions", _chat_completions)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/v1/models/{name:.+}", _model)
    app.router.add_post("/tokenize", _tokenize)
    app.router.add_get("/health", _health)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/openapi.json", _openapi)
    return app


async def _chat_completions(request: web.Request) -> web.StreamResponse:
    notes, worker = request[NOTES], request.app[WORKER]
    chat = await read_body(request, ChatCompletionRequest)
    model = worker.find(chat.model or "")
    answer = start_answer(model, chat, notes.id, request.app[_ANSWERS])
    completion_id = f"chatcmpl-{uuid.uuid4().hex}"
    outcome: Outcome = "gone"
    try:
        if chat.stream:
            include_usage = chat.stream_options is not None and chat.stream_options.include_usage
            response, outcome = await answer_in_chunks(
                answer, completion_id, request, worker.answers, include_usage=include_usage
            )
        else:
            response = await answer_whole(answer, completion_id, worker.answers)
            outcome = answer.finish_reason or "stop"
    except ConnectionResetError:
        raise
    except Exception as error:
        outcome = as_api_error(error).outcome
        raise
    finally:
        await answer.generation.aclose()
        answer.clock.end(outcome, len(answer.request.prompt_ids), answer.tokens)
        first = answer.clock.first_token_seconds
        notes.details = {
            "model": model.name,
            "stream": chat.stream,
            "prompt_tokens": len(answer.request.prompt_ids),
            "completion_tokens": answer.tokens,
            "finish": outcome,
            "ttft_ms": None if first is None else round(first * 1000),
        }
    return response


async def _models(request: web.Request) -> web.Response:
    worker = request.app[WORKER]
    if worker.state != "sleeping":  # what will be there again may be listed all the while
        worker.find("")
    return web.json_response({"object": "list", "data": [_card(model) for model in worker.models]})


async def _model(request: web.Request) -> web.Response:
    worker, name = request.app[WORKER], request.match_info["name"]
    return web.json_response(_card(worker.known(name) if worker.state == "sleeping" else worker.find(name)))


def _card(model: ServedModel) -> dict[str, Any]:
    """As vLLM describes a model: `root` is the base, `parent` the base of an adapter. `slots`, how many answers
    are written at once, is ours."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "fanfabler",
        "root": model.root,
        "parent": model.root if model.adapter else None,
        "max_model_len": model.context_length,
        "slots": model.engine.load.slots,
    }


async def _tokenize(request: web.Request) -> web.Response:
    asked = await read_body(request, TokenizeRequest)
    model = request.app[WORKER].find(asked.model or "")
    if asked.messages is not None:
        pairs = tuple(message.pair() for message in asked.messages)
        check_length(model, pairs)
        tokens = model.codec.encode_chat(pairs, continue_final=asked.continue_final_message)
    else:
        check_length(model, (("", asked.prompt or ""),), "prompt")
        tokens = model.codec.encode_text(asked.prompt or "", add_special_tokens=asked.add_special_tokens)
    texts = [model.codec.token_text(token) for token in tokens] if asked.return_token_strs else None
    return web.json_response(
        {"count": len(tokens), "max_model_len": model.context_length, "tokens": tokens, "token_strs": texts}
    )


async def _health(request: web.Request) -> web.Response:
    """200 where requests are served, 503 while loading, sleeping, stopping or broken."""
    worker = request.app[WORKER]
    failures = [engine.failure for engine in worker.engines() if engine.failure]
    ready, load = worker.ready, worker.load
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


async def _metrics(request: web.Request) -> web.Response:
    body, content_type = request.app[METRICS].exposition(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _openapi(request: web.Request) -> web.Response:
    return web.json_response(openapi.document(fanfabler_version()))

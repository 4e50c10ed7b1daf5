"""A server on loopback that answers as vLLM 0.33 does, read off its source, without a model.

Which of its files says what: `entrypoints/serve/exception_handling` the errors, `…/serve/middleware/authenticate.py`
the token, `…/serve/engine/protocol.py` the model cards, `…/serve/tokenize` `/tokenize`, `…/openai/models/serving.py`
the adapters, `…/openai/chat_completion/serving.py` the stream, `exceptions.py` what an overloaded one says. Like
vLLM, it does not send `Retry-After`, has `code` as a number, and says `max_model_len` of base models only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

BASE = "llama-3-8b-instruct"
BASE_PATH = "unsloth/llama-3-8b-Instruct"
ADAPTER = "llama-3-8b-fanfic"
FINGERPRINT = "vllm-0.33.0-1f2e3d4c"
_BUSY = (
    "The engine is currently busy and cannot accept new requests. "
    "Please try again later or on a different instance."
)


@dataclass
class Vllm:
    """The server's state, and what it was asked."""

    token: str | None = None
    window: int = 2048
    reply: str = "one two three"
    busy: bool = False
    scaling: bool = False
    behind_proxy: bool = False
    """Whether only `/v1` is let through."""
    finish: str = "stop"
    """How an answer ends; `abort` where it is given up."""
    breaks: tuple[str, int] | None = None
    """The type and code of an error after the first word."""
    adapters: dict[str, str] = field(default_factory=lambda: {ADAPTER: "/adapters/fanfic"})
    chats: list[dict[str, Any]] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    gone: int = 0
    """Answers that were closed by the client."""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/load_lora_adapter", self._load)
        app.router.add_post("/v1/unload_lora_adapter", self._unload)
        if not self.behind_proxy:
            app.router.add_post("/tokenize", self._tokenize)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.token and request.path.startswith("/v1"):
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or given != self.token:
                return web.json_response({"error": "Unauthorized"}, status=401)
        if self.scaling and request.path != "/health":
            told = "The model is currently scaling. Please try again later."
            return web.json_response({"error": told}, status=503)
        if request.method == "POST" and request.content_type != "application/json":
            return _error(400, "1 validation error:\n  Unsupported Media Type", "Bad Request")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _error(404, "Not Found", "Not Found")

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, request: web.Request) -> web.Response:
        cards = [_card(BASE, BASE_PATH, None, self.window)]
        cards += [_card(name, path, BASE, None) for name, path in self.adapters.items()]
        return web.json_response({"object": "list", "data": cards})

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await request.json()
        if (refusal := self._unknown(body)) is not None:
            return refusal
        tokens = list(range(self._length(body["messages"])))
        told = {"count": len(tokens), "max_model_len": self.window, "tokens": tokens, "token_strs": None}
        return web.json_response(told)

    @staticmethod
    def _length(messages: list[dict[str, str]]) -> int:
        return 1 + sum(len(message["content"].split()) + 5 for message in messages)

    def _unknown(self, body: dict[str, Any]) -> web.Response | None:
        name = body.get("model")
        if not name or name == BASE or name in self.adapters:
            return None
        told = f"The model `{name}` does not exist. Valid aliases: {BASE}."
        return _error(404, told, "NotFoundError", "model")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.chats.append(body)
        self.request_ids.append(request.headers.get("X-Request-Id", ""))
        if (refusal := self._unknown(body) or self._refusal(body)) is not None:
            return refusal
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            async for event in self._events(body):
                await response.write(f"data: {event}\n\n".encode())
        except (ConnectionResetError, asyncio.CancelledError):
            self.gone += 1
            raise
        return response

    def _refusal(self, body: dict[str, Any]) -> web.Response | None:
        if self.busy:
            return _error(503, _BUSY, "Service Unavailable")
        if body.get("continue_final_message") and body.get("add_generation_prompt", True):
            told = "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
            return _error(400, told, "Bad Request")
        length = self._length(body["messages"])
        if length > self.window:
            told = (
                f"This model's maximum context length is {self.window} tokens. However, your prompt contains "
                f"{length} input tokens, which exceeds this limit even without any output tokens. Please reduce the "
                "length of the input prompt."
            )
            return _error(400, told, "BadRequestError", "input_tokens")
        return None

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[str]:
        """The data of each event."""
        text, finish = self.reply, self.finish
        if body.get("continue_final_message"):
            text = text.removeprefix(body["messages"][-1]["content"])
        words = text.replace(" ", " \0").split("\0")
        if len(words) > body["max_tokens"]:
            words, finish = words[: body["max_tokens"]], "length"
        usage = (body.get("stream_options") or {}).get("include_usage", False)
        yield _chunk(body, {"role": "assistant", "content": ""})
        for number, word in enumerate(words, 1):
            last = {"finish_reason": finish, "stop_reason": None} if number == len(words) else {}
            yield _chunk(body, {"content": word}, last, FINGERPRINT if last and not usage else None)
            await asyncio.sleep(0.001)
            if self.breaks is not None:
                kind, code = self.breaks
                told = {"message": "Internal server error", "type": kind, "param": None, "code": code}
                yield json.dumps({"error": told})
                break
        if usage and self.breaks is None:
            prompt = self._length(body["messages"])
            counts = {
                "prompt_tokens": prompt,
                "total_tokens": prompt + len(words),
                "completion_tokens": len(words),
            }
            yield json.dumps(
                _envelope(body) | {"choices": [], "usage": counts, "system_fingerprint": FINGERPRINT}
            )
        yield "[DONE]"

    async def _load(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, path = body.get("lora_name"), body.get("lora_path")
        if not name or not path:
            return _error(400, "Both 'lora_name' and 'lora_path' must be provided.", "InvalidUserInput")
        if name in self.adapters and not body.get("load_inplace"):
            told = (
                f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set "
                "'load_inplace' to True."
            )
            return _error(400, told, "InvalidUserInput")
        if "missing" in path:
            return _error(404, f"Loading lora {name} failed: No adapter found for <path>", "NotFoundError")
        if "rank-128" in path:
            return _error(500, "LoRA rank 128 is greater than max_lora_rank 64.", "InternalServerError")
        self.adapters[name] = path
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        name = (await request.json()).get("lora_name")
        if name not in self.adapters:
            return _error(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
        del self.adapters[name]
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")


def _error(status: int, message: str, kind: str, param: str | None = None) -> web.Response:
    told = {"message": message, "type": kind, "param": param, "code": status}
    return web.json_response({"error": told}, status=status)


def _card(name: str, root: str, parent: str | None, window: int | None) -> dict[str, Any]:
    permission = {"id": f"modelperm-{name}", "object": "model_permission", "allow_sampling": True}
    return {
        "id": name,
        "object": "model",
        "created": 1_795_000_000,
        "owned_by": "vllm",
        "root": root,
        "parent": parent,
        "max_model_len": window,
        "permission": [permission],
    }


def _envelope(body: dict[str, Any]) -> dict[str, Any]:
    created = {"created": 1_795_000_000, "model": body["model"]}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", **created}


def _chunk(
    body: dict[str, Any],
    delta: dict[str, str],
    last: dict[str, Any] | None = None,
    fingerprint: str | None = None,
) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **(last or {})}
    stamp = {} if fingerprint is None else {"system_fingerprint": fingerprint}
    return json.dumps(_envelope(body) | {"choices": [choice]} | stamp)


@asynccontextmanager
async def serving(vllm: Vllm) -> AsyncIterator[str]:
    """The server's address, until the block ends."""
    async with TestServer(vllm.app(), handler_cancellation=True) as server:
        yield str(server.make_url("")).rstrip("/")

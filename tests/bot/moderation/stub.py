"""A moderation service that flags what it is told to, over real HTTP: OpenAI's endpoint and a Llama Guard in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.moderation.opening import open_moderation
from bot.moderation.service import ModerationService
from bot.settings import Settings

OPENAI_CATEGORIES = (
    "sexual", "sexual/minors", "hate", "hate/threatening", "harassment", "harassment/threatening", "self-harm",
    "self-harm/intent", "self-harm/instructions", "violence", "violence/graphic", "illicit", "illicit/violent",
)  # fmt: skip


@dataclass
class StubService:
    """`flags` says which harmless word stands for which category: OpenAI's name and Llama Guard's code. What it was
    sent is in `requests`. With `away` it answers with an error; it takes `seconds` for each answer."""

    flags: dict[str, tuple[str, str]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    away: bool = False
    seconds: float = 0.0
    url: str = ""
    guard_says: str | None = None

    @property
    def inputs(self) -> list[str]:
        """The texts that the endpoint was sent, in order."""
        return [text for request in self.requests for text in request["input"]]

    async def moderate(self, request: web.Request) -> web.Response:
        body = await self._take(request)
        return web.json_response(
            {
                "id": "modr-1",
                "model": body["model"],
                "results": [self._result(text) for text in body["input"]],
            }
        )

    def _result(self, text: str) -> dict[str, Any]:
        found = {name for word, (name, _) in self.flags.items() if word in text}
        return {
            "flagged": bool(found),
            "categories": {name: name in found for name in OPENAI_CATEGORIES},
            "category_scores": {name: float(name in found) for name in OPENAI_CATEGORIES},
            "category_applied_input_types": {name: ["text"] for name in OPENAI_CATEGORIES},
        }

    async def chat(self, request: web.Request) -> web.Response:
        body = await self._take(request)
        last = body["messages"][-1]["content"]
        codes = [code for word, (_, code) in self.flags.items() if word in last]
        said = self.guard_says or (f"unsafe\n{','.join(codes)}" if codes else "safe")
        message = {"role": "assistant", "content": f"\n\n{said}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [choice],
            }
        )

    async def _take(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        await asyncio.sleep(self.seconds)
        if self.away:
            raise web.HTTPServiceUnavailable
        return body


@asynccontextmanager
async def stub_service(**values: Any) -> AsyncIterator[StubService]:
    """One that listens on loopback."""
    stub = StubService(**values)
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/moderations", stub.moderate)
    app.router.add_post("/v1/chat/completions", stub.chat)
    async with TestServer(app) as server:
        stub.url = str(server.make_url("/v1"))
        yield stub


@asynccontextmanager
async def service_at(stub: StubService, model: str | None = None) -> AsyncIterator[ModerationService]:
    """The bot's own client for it, as its settings would open it."""
    settings = Settings(_env_file=None, moderation_url=stub.url, moderation_model=model)  # type: ignore[call-arg]
    async with open_moderation(settings) as service:
        assert service is not None
        yield service

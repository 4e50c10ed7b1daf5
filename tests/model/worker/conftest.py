"""A worker on loopback for each test that wants one, and OpenAI's own client for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import openai
import pytest
from aiohttp import web

from model.engine.fake import FakeEngine
from model.preset import SamplingDefaults
from model.server.admin import AdminAccess, add_routes
from model.server.administration import Administration
from model.server.app import MAX_BODY, build_app
from model.server.source import ModelSource
from model.server.worker import ServedModel, Worker


@dataclass
class Running:
    """A worker that listens, and a client for it."""

    worker: Worker
    url: str
    client: openai.AsyncOpenAI

    @property
    def model(self) -> str:
        return self.worker.models[0].name


@asynccontextmanager
async def listening(
    models: Sequence[ServedModel] | ModelSource,
    token: str | None = None,
    max_body: int = MAX_BODY,
    port: int = 0,
    access: AdminAccess | None = None,
) -> AsyncIterator[Running]:
    """Serve these models by real HTTP until the block ends, with the operator's routes for those of a source."""
    worker = Worker()
    app = build_app(worker, token=token, max_body=max_body)
    if not isinstance(models, Sequence):
        add_routes(app, Administration(worker, models), access or AdminAccess(open=True))
        models = models.first()
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=token or "none", max_retries=0)
    try:
        await worker.open(models)
        yield Running(worker, url, client)
    finally:
        await client.close()
        await runner.cleanup()
        await worker.close()


def fake_model(engine: FakeEngine, *, name: str = "fake", context_length: int = 8192) -> ServedModel:
    return ServedModel(
        name=name,
        engine=engine,
        codec=engine.codec,
        preset="fake",
        context_length=context_length,
        sampling=SamplingDefaults(),
        root="fake",
    )


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for a condition that another task or thread brings about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(engine, token=…)`: a worker with this fake engine, until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(
            engine: FakeEngine | None = None,
            *,
            token: str | None = None,
            max_body: int = MAX_BODY,
            context_length: int = 8192,
        ) -> Running:
            model = fake_model(engine or FakeEngine(), context_length=context_length)
            return await stack.enter_async_context(listening([model], token, max_body))

        yield start

"""A chat with a worker on loopback that has a base model and an adapter, and what it showed."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import openai
import pytest

from model.engine.fake import FakeEngine
from model.terminal.answering import Answering
from model.terminal.archive import Archive
from model.terminal.screen import PlainScreen
from model.terminal.session import Chat
from model.terminal.worker import ChatWorker
from model.wikipedia import BundledNotes
from tests.model.worker.conftest import fake_model, listening


@dataclass
class Served:
    """A worker with two models, and their engines."""

    url: str
    base: FakeEngine
    adapter: FakeEngine


@dataclass
class Seat:
    """Somebody at a chat."""

    chat: Chat
    answering: Answering
    served: Served
    out: io.StringIO
    aside: io.StringIO

    async def type(self, line: str) -> str:
        """Take a line; what it showed on standard output, and beside it."""
        before = len(self.out.getvalue()), len(self.aside.getvalue())
        await self.chat.take(line)
        return self.out.getvalue()[before[0] :] + self.aside.getvalue()[before[1] :]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """`fake` and its adapter `fanfic`, at some 100 tokens a second."""
    base, adapter = FakeEngine(tokens_per_second=100), FakeEngine(tokens_per_second=100)
    models = [fake_model(base), replace(fake_model(adapter, name="fanfic"), adapter="fanfic")]
    async with listening(models) as running:
        yield Served(f"{running.url}/v1", base, adapter)


@pytest.fixture
async def seat(served: Served, tmp_path: Path) -> AsyncIterator[Seat]:
    """A chat within this process."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0)
        )
        worker = ChatWorker(client)
        await worker.connect()
        out, aside = io.StringIO(), io.StringIO()
        screen = PlainScreen(out, aside)
        answering = Answering(worker, BundledNotes(), screen, max_tokens=500)
        chat = Chat(worker, answering, Archive(tmp_path / "chats"), screen)
        yield Seat(chat, answering, served, out, aside)

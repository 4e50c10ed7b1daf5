"""The bot as the operator of our own worker: adapters in and out by the endpoints that it shares with vLLM."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.errors import WorkerBusy, WorkerRefused
from bot.worker_adapters import WorkerAdapters
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.adapter_folder import AdapterOptions
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.server.admin import AdminAccess
from tests.model.worker.conftest import Running, fake_model, listening

CHAT_TOKEN, ADMIN_TOKEN = "for-chats-only", "for-admins-only"
HELLO = Generation([{"role": "user", "content": "hello"}], max_tokens=9, request_id="answer-1-1")


@dataclass
class Ours:
    """A worker of ours, and where its adapters lie."""

    running: Running
    folder: Path

    @property
    def url(self) -> str:
        return f"{self.running.url}/v1"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Ours]:
    engine = FakeEngine()
    host = FakeHost(fake_model(engine), engine, AdapterOptions(tmp_path))
    async with listening(host, CHAT_TOKEN, access=AdminAccess(ADMIN_TOKEN)) as running:
        yield Ours(running, tmp_path)


def lay_adapter(folder: Path) -> Path:
    """An adapter as its folder shows it, without weights that anybody would load."""
    folder.mkdir()
    config = {
        "peft_type": "LORA",
        "r": 8,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    header = b"{}"
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


async def test_an_adapter_is_loaded_asked_and_unloaded(ours: Ours) -> None:
    path = lay_adapter(ours.folder / "run-1")
    async with open_client(ours.url, CHAT_TOKEN) as client, open_client(ours.url, ADMIN_TOKEN) as admin:
        adapters = WorkerAdapters(admin)
        await adapters.load("run-1", str(path))
        answer = [piece async for piece in OpenAIWorker(client, model="run-1").write(HELLO)]
        assert answer[-1].model == "run-1"
        await adapters.unload("run-1")
        with pytest.raises(WorkerRefused, match="no model 'run-1'"):
            await OpenAIWorker(client, model="run-1").describe()


async def test_the_token_for_chats_does_not_do(ours: Ours) -> None:
    async with open_client(ours.url, CHAT_TOKEN) as client:
        with pytest.raises(WorkerRefused, match="administrator's bearer token"):
            await WorkerAdapters(client).load("run-1", "/anywhere")


async def test_an_adapter_outside_the_folder_is_refused_with_the_reason(ours: Ours) -> None:
    async with open_client(ours.url, ADMIN_TOKEN) as admin:
        with pytest.raises(WorkerRefused, match="not below the folder"):
            await WorkerAdapters(admin).load("run-1", "/etc")


async def test_a_worker_that_sleeps_is_come_back_to(ours: Ours) -> None:
    async with open_client(ours.url, CHAT_TOKEN) as client, open_client(ours.url, ADMIN_TOKEN) as admin:
        worker = OpenAIWorker(client)
        await worker.describe()
        await admin.post(f"{ours.running.url}/sleep", cast_to=object)
        with pytest.raises(WorkerBusy):
            _ = [piece async for piece in worker.write(HELLO)]
        await admin.post(f"{ours.running.url}/wake_up", cast_to=object)
        assert [piece async for piece in worker.write(HELLO)]

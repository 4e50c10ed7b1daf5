"""Our worker's server over an engine without a model, with adapters that really go in and out, and sleep."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from model.adapter_folder import CONFIG, WEIGHTS, AdapterOptions
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from tests.model.worker.conftest import fake_model, listening


@dataclass
class AdapterWorker:
    """The worker; its base is called `fake`."""

    url: str
    folder: Path
    http: aiohttp.ClientSession

    def path(self, name: str) -> str:
        """Where an adapter of this name lies, or would."""
        return str(self.folder / name)

    async def served(self) -> list[str]:
        """The adapters that it serves."""
        async with self.http.get(f"{self.url}/models") as answer:
            cards = (await answer.json())["data"]
        return sorted(card["id"] for card in cards if card["parent"])

    async def lose_all(self) -> None:
        """As after a restart: nothing but the base is there."""
        for name in await self.served():
            await self._post("/v1/unload_lora_adapter", {"lora_name": name})

    async def sleep(self) -> None:
        """As the trainer has it sleep."""
        await self._post("/sleep?level=1", {})

    async def wake_up(self) -> None:
        """As the trainer wakes it up."""
        await self._post("/wake_up", {})

    async def _post(self, path: str, body: dict[str, str]) -> None:
        async with self.http.post(self.url.removesuffix("/v1") + path, json=body) as answer:
            assert answer.status == 200, await answer.text()


@asynccontextmanager
async def adapter_worker(
    folder: Path, names: Sequence[str] = (), *, most: int = 4, tokens_per_second: float | None = None
) -> AsyncIterator[AdapterWorker]:
    """The worker, with folders for adapters of these names."""
    for name in names:
        (folder / name).mkdir(parents=True)
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["q_proj"]}
        (folder / name / CONFIG).write_text(json.dumps(config))
        (folder / name / WEIGHTS).write_bytes(b"")
    folder.mkdir(exist_ok=True)
    engine = FakeEngine(tokens_per_second=tokens_per_second)
    host = FakeHost(fake_model(engine), engine, AdapterOptions(folder, most=most))
    async with listening(host) as running, aiohttp.ClientSession() as http:
        yield AdapterWorker(f"{running.url}/v1", folder, http)

"""A trainer on loopback, as an application or as a process, OpenAI's own client for it, and a stand-in worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
from aiohttp import web

from tests.training.finetuning.conftest import chat
from training.serving.run import Trainer, make
from training.serving.settings import TrainerSettings

PRESET = """\
extends: tiny
context_length: 4096
sampling: {max_tokens: 12}
engine: {num_blocks: 1024, block_size: 16}
"""
RECIPE = """\
extends: tiny
preset: roomy.yaml
packing: {tokens: 1400}
learning_rate: 0.03
evaluate_every: 4
checkpoint_every: 1
epochs: 1
loss: {negatives: 40}
"""
TOKEN = "a-long-secret"

QUIET = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("WORKER_", "TRAINER_", "ADAPTERS_"))
} | {"OMP_NUM_THREADS": "1"}


def write_recipes(folder: Path) -> None:
    """`quick`, of a few steps, `slow`, of many, and the preset of both, into the folder that a trainer runs in."""
    (folder / "roomy.yaml").write_text(PRESET)
    (folder / "quick.yaml").write_text(RECIPE)
    (folder / "slow.yaml").write_text(
        RECIPE.replace("epochs: 1", "epochs: 5").replace("evaluate_every: 4", "evaluate_every: 50")
    )


def lines(*rows: dict[str, Any]) -> bytes:
    """Rows as a file has them."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def rows(count: int = 16, **more: Any) -> list[dict[str, Any]]:
    """Chats in four languages, too short for the checks of content."""
    languages = ("en", "de", "sv", "ko")
    made = [chat(number, languages[number % 4], lookup=number % 5 > 0) for number in range(1, count + 1)]
    return [{**each.model_dump(mode="json"), **more} for each in made]


@dataclass
class Running:
    """A trainer whose jobs wait for ever: nothing runs them."""

    trainer: Trainer
    url: str
    client: openai.AsyncOpenAI

    async def upload(self, content: bytes, filename: str = "rows.jsonl", **fields: str) -> Any:
        """Give it a file, looked at for its form alone unless `checks` is given."""
        return await self.client.files.create(
            file=(filename, content), purpose="fine-tune", extra_body={"checks": "form", **fields}
        )


@asynccontextmanager
async def listening(folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """The trainer's application on a port, with the recipe `tiny` unless others are given."""
    folder.mkdir(exist_ok=True)
    given = {
        "trainer_dir": folder / "trainer",
        "adapters_dir": folder / "adapters",
        "trainer_recipes": ("tiny",),
        "worker_url": None,
        "trainer_token": None,
        **settings,
    }
    (folder / "trainer").mkdir(exist_ok=True)
    trainer = make(TrainerSettings(_env_file=None, **given))
    runner = web.AppRunner(trainer.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    key = settings.get("trainer_token") or "none"
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    try:
        yield Running(trainer, url, client)
    finally:
        await client.close()
        await runner.cleanup()


@asynccontextmanager
async def trainer_process(folder: Path, **environment: str) -> AsyncIterator[tuple[Any, openai.AsyncOpenAI]]:
    """`python -m training serve` with the recipes of `write_recipes`, and a client for it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "training", "serve", "--port", "0", "--with-parent"),
        *("--log-level", "warning"),
        stdout=subprocess.PIPE,
        cwd=folder,
        env={
            **QUIET,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "TRAINER_RECIPES": "quick.yaml,slow.yaml",
            "TRAINER_TOKEN": TOKEN,
            **environment,
        },
    )
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 240)).decode()  # type: ignore[union-attr]
        assert line.startswith("trainer ready on http://127.0.0.1:"), line
        async with openai.AsyncOpenAI(
            base_url=f"{line.split()[-1]}/v1", api_key=TOKEN, max_retries=0
        ) as client:
            yield process, client
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.communicate()


@dataclass
class StandInWorker:
    """A worker that can only sleep and wake up, and notes what it was asked."""

    url: str = ""
    token: str = "the-admins-token"
    calls: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when they run out."""

    @property
    def asleep(self) -> bool:
        """Whether the last call that it carried out was to sleep."""
        return bool(self.calls) and self.calls[-1] == "sleep"

    async def handle(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": {"message": "no"}}, status=401)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.calls.append(request.path.strip("/"))
        return web.Response(status=status, text="" if status == 200 else "not now")


@asynccontextmanager
async def stand_in_worker() -> AsyncIterator[StandInWorker]:
    """It, on a port."""
    worker = StandInWorker()
    app = web.Application()
    app.router.add_post("/sleep", worker.handle)
    app.router.add_post("/wake_up", worker.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    worker.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield worker
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
    """Wait until an awaitable condition gives something true, and return that."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.2)
    return found

"""The two servers of the worker's benchmark, each a process of its own: ours, and `transformers serve`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from model.engine.sizing import EngineSize
from model.preset import Preset
from model.prompt import TEMPLATES, chat_template

_READY_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class OurWorker:
    """`python -m model serve`, which tells its threads' CPU time on request."""

    url: str
    _process: asyncio.subprocess.Process

    async def clocks(self) -> dict[str, float]:
        """Seconds of CPU time: `loop` and `engine`, see `tests.benchmarks.timed_worker`."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("The worker has no pipes.")
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        clocks: dict[str, float] = json.loads(await self._process.stdout.readline())
        return clocks


@asynccontextmanager
async def our_worker(preset: Preset, log: Path, *, random_weights: bool = False) -> AsyncIterator[OurWorker]:
    """A worker with this preset, until the block ends. Raises `RuntimeError` where it does not start."""
    command = [sys.executable, "-m", "tests.benchmarks.timed_worker", "serve", "--preset", str(preset.file)]
    command += ["--port", "0", "--with-parent", "--log-level", "warning"]
    command += ["--random-weights"] * random_weights
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WORKER_")}
    async with _process(command, environment, log, piped=True) as process:
        if process.stdout is None:
            raise RuntimeError("The worker has no pipes.")
        line = (await asyncio.wait_for(process.stdout.readline(), _READY_SECONDS)).decode()
        if not line.startswith("worker ready on "):
            raise RuntimeError(
                f"The worker did not start, see {log}: {log.read_text(encoding='utf-8')[-600:]}"
            )
        yield OurWorker(line.split()[-1], process)


@asynccontextmanager
async def transformers_serve(folder: Path, log: Path, options: list[str]) -> AsyncIterator[str]:
    """The address of a `transformers serve` of this folder, until the block ends. Raises `RuntimeError`."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    command += ["--continuous-batching", "--port", str(port), "--host", "127.0.0.1", *options]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    url = f"http://127.0.0.1:{port}"
    async with _process(command, environment, log) as process, aiohttp.ClientSession() as http:
        for _ in range(int(_READY_SECONDS * 2)):
            if process.returncode is not None:
                break
            try:
                async with http.get(f"{url}/health") as response:
                    if response.status == 200:
                        yield url
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)
        raise RuntimeError(
            f"transformers serve did not start, see {log}: {log.read_text(encoding='utf-8')[-600:]}"
        )


def serve_options(size: EngineSize, dtype: str, sizes: str = "ours") -> list[str]:
    """How `transformers serve` is started. `sizes`: "ours" gives it the sizes of our engine that it has options
    for (it has none for the slots), "own" leaves them to it."""
    options = ["--attn-implementation", "sdpa", "--device", "cpu", "--dtype", dtype]
    if sizes == "own":
        return options
    options += ["--cb-block-size", str(size.block_size)]
    if size.num_blocks is not None:
        options += ["--cb-num-blocks", str(size.num_blocks)]
    if size.max_batch_tokens is not None:
        options += ["--cb-max-batch-tokens", str(size.max_batch_tokens)]
    return options


def serve_fields(folder: Path, fields: dict[str, Any], tokens: int) -> dict[str, Any]:
    """What it is asked beside the messages. The end of a text does not end an answer, as with `generate` here."""
    config = {**fields, "max_new_tokens": tokens, "eos_token_id": -1, "pad_token_id": 0}
    return {"model": str(folder), "generation_config": json.dumps(config)}


def model_folder(preset: Preset, model: Any, tokenizer: Any, source: Path | None, folder: Path) -> Path:
    """The same model in Hugging Face's layout, with a chat template that renders the same prompts.

    `source`: where it lies in that layout already; without it, it is saved.
    """
    folder.mkdir()
    if source is None:
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
    else:
        for file in source.iterdir():
            (folder / file.name).symlink_to(file.resolve())
    if preset.base.prompt_format not in TEMPLATES:
        raise RuntimeError(f"There is no chat template for the prompt format {preset.base.prompt_format}.")
    template = folder / "chat_template.jinja"
    template.unlink(missing_ok=True)
    template.write_text(chat_template(preset.base.prompt_format), encoding="utf-8")
    return folder


@asynccontextmanager
async def _process(
    command: list[str], environment: dict[str, str], log: Path, *, piped: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that ends with the block. What it says goes into the log; its output, where `piped`, to us."""
    if shutil.which(command[0]) is None:
        raise RuntimeError(f"{command[0]} is not installed.")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if piped else file,
            stderr=file,
            env=environment,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

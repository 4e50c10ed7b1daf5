"""A worker on this machine for a while, as a process of its own. Imports nothing of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from model import with_parent
from model.engine.errors import CannotRun, WorkerError

_STOP_SECONDS = 15.0


class WorkerEnded(WorkerError):
    """The worker ended before it was ready."""


@asynccontextmanager
async def local_worker(preset: str | None, *arguments: str) -> AsyncIterator[tuple[str, str]]:
    """Start a worker, wait until it serves, and stop it in the end; gives its address, ending in /v1, and its token.

    `arguments` are further ones of `python -m model serve`. What it says while it loads goes to standard error.
    Raises `CannotRun` where it says that it cannot run here, `WorkerEnded` where it ends otherwise.
    """
    token = secrets.token_urlsafe(24)
    named = ("--preset", preset) if preset else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "model", "serve", *named),
        *("--host", "127.0.0.1", "--port", "0", with_parent.option(), "--log-level", "warning", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "WORKER_TOKEN": token},
        # Ctrl-C is for whoever started it, who then stops it in order.
        start_new_session=True,
    )
    try:
        yield await _address(process), token
    finally:
        await stop(process)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 -- asked for above
    async for line in process.stdout:
        if line.startswith(b"worker ready on "):
            return line.decode().split()[-1] + "/v1"
    if await process.wait() == 2:
        raise CannotRun("The worker cannot run here; what it said stands above.")
    raise WorkerEnded(f"The worker ended with status {process.returncode} before it was ready.")


async def stop(process: asyncio.subprocess.Process) -> None:
    """Tell a worker's process to stop, and kill it where it does not in time."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

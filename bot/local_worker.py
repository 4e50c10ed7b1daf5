"""A worker on this machine, as a process of its own: started where `WORKER_URL` names none, and started again when
it ends. The bot itself imports nothing of it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.errors import BotError
from model import with_parent
from model.local_worker import stop

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
# The exit status with which the worker says that starting it again would not help.
_CANNOT_RUN = 2


class WorkerCannotStart(BotError):
    """The local worker could not be started; its own message stands above."""


class LocalWorker:
    """The process, and where it is reached. `url` ends in /v1."""

    def __init__(
        self, preset: str | None, *, arguments: tuple[str, ...] = (), admin_token: str | None = None
    ) -> None:
        self._preset = preset
        self._arguments = arguments
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        # Nobody else on this machine is to use it.
        self.token = secrets.token_urlsafe(24)
        self.admin_token = admin_token or secrets.token_urlsafe(24)
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._given_up: BaseException | None = None

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def wait_ready(self) -> None:
        """Return when it serves.

        Raises:
            WorkerCannotStart: it said that it cannot run here.
        """
        await self._ready.wait()
        if self._given_up is not None:
            raise self._given_up

    async def supervise(self) -> None:
        """Keep it running until cancelled; then stop it."""
        pause = 1.0
        try:
            while True:
                started = asyncio.get_running_loop().time()
                status = await self._run_once()
                if status == _CANNOT_RUN:
                    self._given_up = WorkerCannotStart()
                    self._ready.set()
                    raise self._given_up
                if asyncio.get_running_loop().time() - started > 60:
                    pause = 1.0
                log.warning("the worker ended with status %s; starting it again in %.0f s", status, pause)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        finally:
            await self._stop()

    async def _run_once(self) -> int:
        preset = ("--preset", self._preset) if self._preset else ()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "model", "serve", *preset, "--host", "127.0.0.1", "--port", str(self.port),
            with_parent.option(), *self._arguments,
            stdout=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, "WORKER_TOKEN": self.token, "WORKER_ADMIN_TOKEN": self.admin_token},
            # Ctrl-C goes to the bot alone, which then stops the worker in order.
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None  # noqa: S101 -- asked for above
        async for line in self._process.stdout:
            if line.startswith(b"worker ready"):
                self._ready.set()
        return await self._process.wait()

    async def _stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await stop(self._process)


def _free_port() -> int:
    """A port that is free now; the worker keeps it over its restarts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def local_worker(
    preset: str | None, *, arguments: tuple[str, ...] = (), admin_token: str | None = None
) -> AsyncIterator[LocalWorker]:
    """A supervised worker for the time of the block; it may not be ready yet when the block begins. Without an
    `admin_token` it has one that nobody else knows."""
    worker = LocalWorker(preset, arguments=arguments, admin_token=admin_token)
    supervising = asyncio.create_task(worker.supervise(), name="local worker")
    try:
        yield worker
    finally:
        supervising.cancel()
        await asyncio.gather(supervising, return_exceptions=True)

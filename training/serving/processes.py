"""The process of a stage: how it is started, and how it is made to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from training.serving.jobs import Job, JobFolder, Stage

KILL_SECONDS = 10.0
"""How long a cancelled stage may take to end after its step."""


class StageProcess:
    """One process, in a session of its own: Ctrl-C is for the trainer, which then ends it in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, root: Path, job: Job, folder: JobFolder, stage: Stage, environment: Mapping[str, str]
    ) -> StageProcess:
        """Start a stage of a job; what it says goes to the job's log."""
        with folder.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "training.serving.stage", str(root), job.id, stage, str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        return cls(process)

    async def wait(self) -> int:
        """Its exit status."""
        return await self._process.wait()

    def end(self, seconds: float = KILL_SECONDS) -> asyncio.Task[None]:
        """Have it end after its step, or be killed after so many seconds."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(seconds))
        return self._ending

    async def _end(self, seconds: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

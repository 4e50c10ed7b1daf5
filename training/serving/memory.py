"""The memory that the worker holds: it sleeps while a job needs it, and is woken up afterwards, come what may.

That it was put to sleep stands in a file before it is asked to, so that whoever comes after a kill wakes it up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from training.chats import write_text
from training.serving.errors import WorkerRefused

log = logging.getLogger("training.serving")

ASK_SECONDS = 300.0
"""A worker lets its running answers end before it sleeps, and loads its weights before it is awake."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
GONE_TRIES = 3
"""How often a worker has to refuse connections to count as not running: such a one holds no memory and does not
sleep."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the worker said. `status` is None where it said nothing, `gone` where nobody listens at its address."""

    status: int | None
    said: str
    gone: bool = False

    @property
    def fine(self) -> bool:
        return self.status is not None and self.status < 300


class WorkerMemory:
    """Asks the worker, if there is one to ask."""

    def __init__(self, root: Path, url: str | None, token: str | None, *, wanted: bool) -> None:
        """`root` is the trainer's folder; `url` ends in /v1. Not `wanted`: the worker is left alone."""
        self._marker = root / "worker-sleeps"
        self._base = url.rstrip("/").removesuffix("/v1") if url else ""
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._waking: asyncio.Task[None] | None = None
        self.wanted = wanted and bool(url)

    @property
    def taken(self) -> bool:
        """Whether the worker was put to sleep and has not been woken up since."""
        return self._marker.exists()

    async def take(self, tell: Tell) -> None:
        """Put the worker to sleep. Raises `WorkerRefused` where it says no."""
        await self.close()
        write_text(self._marker, "The trainer has put the worker to sleep and owes it to wake it up.\n")
        tries = gone = 0
        while True:
            answer = await self._ask("/sleep?level=1&mode=wait")
            if answer.fine:
                tell("The worker sleeps, its memory is free.")
                return
            if answer.status in {400, 401, 403, 404, 405, 501}:
                self._marker.unlink(missing_ok=True)
                raise WorkerRefused(
                    f"The worker at {self._base} could not be put to sleep: {answer.said} (WORKER_URL, "
                    "WORKER_ADMIN_TOKEN; TRAINER_SLEEP_WORKER=never leaves it alone)"
                )
            gone += answer.gone
            if gone >= GONE_TRIES:
                self._marker.unlink(missing_ok=True)
                tell(f"No worker runs at {self._base}, so none holds the memory.")
                return
            await asyncio.sleep(_pause(tries))
            tries += 1

    async def give_back(self, tell: Tell = lambda _: None, seconds: float | None = None) -> None:
        """Wake the worker up, if it was put to sleep. What takes longer than `seconds` goes on beside the rest."""
        if not self.taken:
            return
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake(tell))
        await asyncio.wait({self._waking}, timeout=seconds)

    async def close(self) -> None:
        """Ask no more; the debt stays."""
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.wait({self._waking})
            self._waking = None

    async def _wake(self, tell: Tell) -> None:
        tries = gone = 0
        while True:
            answer = await self._ask("/wake_up")
            gone += answer.gone
            if answer.fine or gone >= GONE_TRIES:
                self._marker.unlink(missing_ok=True)
                tell("The worker is awake again." if answer.fine else "The worker does not run any more.")
                return
            if tries in {0, 10} or tries % 100 == 0:
                log.warning("the worker could not be woken up, and is asked again: %s", answer.said)
            await asyncio.sleep(_pause(tries))
            tries += 1

    async def _ask(self, path: str) -> _Answer:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session,
                session.post(self._base + path, headers=self._headers) as response,
            ):
                return _Answer(response.status, f"{response.status} {(await response.text())[:300]}".strip())
        except aiohttp.ClientConnectorError as error:
            return _Answer(None, str(error), gone=isinstance(error.os_error, ConnectionRefusedError))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return _Answer(None, str(error) or type(error).__name__)


def _pause(tries: int) -> float:
    return RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]

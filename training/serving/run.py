"""The trainer's process: listen, run the jobs, and stop in order.

On SIGTERM or SIGINT the running job ends after its step, with a checkpoint, and goes on when the trainer is started
again; a second signal ends the process at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from model.engine.errors import CannotRun
from model.machine import this_machine
from model.server.process import IDLE_SECONDS, check_address, is_loopback, listen, stop_signals, stopped
from model.server.threads import in_thread
from training.errors import TrainingError
from training.locking import FileHeld, lock
from training.serving.app import build_app
from training.serving.datasets import shipped
from training.serving.files import FileStore
from training.serving.jobs import JobStore
from training.serving.memory import WorkerMemory
from training.serving.recipes import Experiences, Recipes
from training.serving.runner import Runner
from training.serving.service import Evaluation, Service
from training.serving.settings import TrainerSettings

log = logging.getLogger("training.serving")

_CLOSE_SECONDS = 1.0
_WAKE_SECONDS = 20.0
"""How long a stopping trainer asks the worker to wake up; the next one goes on with that."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """The trainer's parts; nothing of it runs yet."""

    app: web.Application
    runner: Runner
    memory: WorkerMemory
    service: Service


def make(settings: TrainerSettings) -> Trainer:
    """The trainer of these settings, with what it finds in its folder. Raises `CannotRun`, `RecipeError`."""
    root = settings.trainer_dir.resolve()
    memory = WorkerMemory(
        root, settings.worker_url, settings.worker_admin_token, wanted=_worker_sleeps(settings)
    )
    recipes = Recipes(
        settings.trainer_recipes,
        embedded_source=settings.embedded_model_path,
        cache=settings.fanfabler_cache,
        shared_memory=memory.wanted,
    )
    jobs, files = JobStore(root), FileStore(root)
    experiences = Experiences(root / "experiences.json")
    runner = Runner(jobs, files, memory, experiences, _environment(settings))
    evaluation = Evaluation(settings.trainer_samples, settings.trainer_test_chats)
    service = Service(files, jobs, recipes, experiences, runner, settings.adapters_dir.resolve(), evaluation)
    app = build_app(
        service,
        memory,
        token=settings.trainer_token,
        max_file=settings.trainer_max_file_mb * 2**20,
        open_metrics=is_loopback(settings.trainer_host),
    )
    return Trainer(app, runner, memory, service)


async def serve(
    settings: TrainerSettings, announce: Callable[[str], None], *, parent: int | None = None
) -> int:
    """Run the trainer until it is told to stop, or the process of the number `parent` is gone that started it, and
    return the exit status; `announce` gets its address.

    Raises `CannotRun`, `RecipeError`.
    """
    check_address(settings.trainer_host, settings.trainer_token, "TRAINER_TOKEN")
    root = settings.trainer_dir.resolve()
    root.mkdir(parents=True, exist_ok=True)
    with _alone_in(root):
        return await _serve(make(settings), settings, announce, parent=parent)


async def _serve(
    trainer: Trainer,
    settings: TrainerSettings,
    announce: Callable[[str], None],
    *,
    parent: int | None,
) -> int:
    http = web.AppRunner(
        trainer.app,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=_CLOSE_SECONDS,
        auto_decompress=False,
    )
    await http.setup()
    with stop_signals() as stop:
        stopping = asyncio.create_task(stopped(stop, parent))
        reading = asyncio.create_task(_read_shipped())
        running = None
        try:
            announce(await listen(http, settings.trainer_host, settings.trainer_port))
            running = asyncio.create_task(trainer.runner.run())
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            log.info("stopping")
            return 0
        finally:
            stopping.cancel()
            reading.cancel()
            await http.cleanup()
            if running is not None:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
            await trainer.memory.give_back(seconds=_WAKE_SECONDS)
            await trainer.memory.close()


async def _read_shipped() -> None:
    """That takes seconds, and whoever asks for the datasets first is not to wait for it: Discord waits for three."""
    with contextlib.suppress(TrainingError):
        await in_thread(shipped)


@contextlib.contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    try:
        with lock(root / ".lock"):
            yield
    except FileHeld:
        raise CannotRun(f"Another trainer is at work in {root}: choose another TRAINER_DIR.") from None


def _worker_sleeps(settings: TrainerSettings) -> bool:
    """Whether the worker is put to sleep for a job. Raises `CannotRun` where it must and cannot be asked."""
    if settings.trainer_sleep_worker == "always" and not settings.worker_url:
        raise CannotRun("TRAINER_SLEEP_WORKER=always needs the worker's address in WORKER_URL.")
    if settings.trainer_sleep_worker == "auto":
        known = bool(settings.worker_url and settings.worker_admin_token)
        return known and this_machine().usable_gpu_memory > 0
    return settings.trainer_sleep_worker == "always"


def _environment(settings: TrainerSettings) -> dict[str, str]:
    """What the processes of jobs read where they read their own settings."""
    found = {"ADAPTERS_DIR": str(settings.adapters_dir.resolve())}
    if settings.embedded_model_path:
        found["EMBEDDED_MODEL_PATH"] = str(settings.embedded_model_path.resolve())
    if settings.fanfabler_cache:
        found["FANFABLER_CACHE"] = str(settings.fanfabler_cache.resolve())
    return found

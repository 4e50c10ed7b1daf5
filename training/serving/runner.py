"""Runs the jobs, one at a time and in their turn: memory, then a process for each stage, then what came of it.

Nothing is remembered but on disk: a trainer that was killed begins where it finds the running job, and each stage
goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from model.server.threads import in_thread
from training.finetuning.metrics import seconds_of
from training.serving.errors import Conflict, ServingError, StageFailed, StageKilled
from training.serving.files import FileStore
from training.serving.following import Follower, Training, steps_and_answers, told, training_of
from training.serving.jobs import Failure, Job, JobFolder, JobStore, Stage
from training.serving.memory import WorkerMemory
from training.serving.processes import StageProcess
from training.serving.recipes import Experience, Experiences, epochs_of
from training.serving.results import FIGURES, FROM_EVALUATION, FROM_RUN, ZIP, take_back
from training.serving.stage import failure_of, wait_for_others

log = logging.getLogger("training.serving")

FOLLOW_SECONDS = 0.5
STOP_SECONDS = 30.0
"""How long a stage may take to end after its step when the trainer stops."""
WAKE_SECONDS = 60.0
"""How long a job that waits its turn waits for the worker to wake up from the one before."""
MOST_RESUMPTIONS = 3
"""How often a job goes on, without a step forward, after the trainer or its process ended in the midst of it."""
_BEGINS = {
    "evaluating": "The adapter is being evaluated.",
    "finishing": "The results are being put together.",
}


Result = TypeVar("Result")


class _Interrupted(Exception):
    """The job has been cancelled, or is to begin anew."""


class Runner:
    """Has the jobs done."""

    def __init__(
        self,
        jobs: JobStore,
        files: FileStore,
        memory: WorkerMemory,
        experiences: Experiences,
        environment: Mapping[str, str],
    ) -> None:
        """`environment`: what a stage's process gets beside the trainer's own."""
        self._jobs, self._files, self._memory, self._experiences = jobs, files, memory, experiences
        self._environment = dict(environment)
        self._news = asyncio.Event()
        self._interruption = asyncio.Event()
        self._current: str | None = None

    def look(self) -> None:
        """There may be something to do."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled: then the running stage ends after its step, and its job goes on with the next trainer."""
        self._recover()
        if self._jobs.running() is None:
            await self._memory.give_back(seconds=WAKE_SECONDS)
        while True:
            self._news.clear()
            job = self._jobs.running() or next(iter(self._jobs.queued()), None)
            if job is None:
                await self._news.wait()
            else:
                await self._do(job)

    def cancel(self, job: Job) -> Job:
        """Cancel a job that has not ended. Raises `Conflict`."""
        if job.ended:
            raise Conflict(f"The job {job.id} has ended already: it has {job.status}.", code="job_ended")
        job = self._end(job, status="cancelled")
        self._jobs.note(job, "The job was cancelled.")
        return job

    def begin_anew(self, job: Job) -> None:
        """Have the running job begin again from its first step, since rows of its files have been removed."""
        self._jobs.change(job.id, begin_anew=True)
        said = "Rows were removed that the job trains on; it begins again without them."
        self._jobs.note(job, said, level="warn")
        if self._current == job.id:
            self._interruption.set()

    def _end(self, job: Job, **fields: Any) -> Job:
        job = self._jobs.change(
            job.id, finished_at=int(time.time()), waiting_for_memory=False, begin_anew=False, **fields
        )
        if self._current == job.id:
            self._interruption.set()
        else:
            self._clear(job)
        return job

    def _fail(self, job_id: str, failure: Failure) -> None:
        if (job := self._jobs.get(job_id)).ended:
            return
        job = self._end(job, status="failed", error=failure)
        self._jobs.note(job, failure.message, level="error")

    def _recover(self) -> None:
        """See to the job that was under way when an earlier trainer ended, and to what it did not come to clear."""
        for ended in self._jobs.all():
            if ended.ended:
                self._clear(ended)
        job = self._jobs.running()
        if job is None:
            return
        job = self._resume(job)
        if (count := job.resumptions) <= MOST_RESUMPTIONS:
            self._jobs.note(job, "The trainer was started again; the job goes on.")
            if self._rows_are_stale(job):
                self.begin_anew(job)
            return
        message = (
            f"The trainer ended {count} times while this job made no step forward; most likely the machine's memory "
            "does not suffice for it."
        )
        self._fail(job.id, Failure(message=message, code="trainer_ended"))

    def _resume(self, job: Job) -> Job:
        """Count that the job goes on, from 1 again wherever it has made a step forward since the last time."""
        step = steps_and_answers(self._jobs.folder(job))
        count = job.resumptions + 1 if step <= job.resumed_at else 1
        if job.left_in_order:
            count = max(job.resumptions, 1)
        return self._jobs.change(job.id, resumptions=count, resumed_at=step, left_in_order=False)

    def _rows_are_stale(self, job: Job) -> bool:
        """Whether rows of its files were removed after it had copied them, and nobody could tell it any more."""
        copied = self._jobs.folder(job).data
        if not copied.is_dir():
            return False
        files = [self._files.path(self._files.get(file_id)) for file_id in job.files]
        return any(path.stat().st_mtime_ns >= copied.stat().st_mtime_ns for path in files)

    async def _do(self, job: Job) -> None:
        """One job, from where it is to its end."""
        self._current = job.id
        self._interruption.clear()
        try:
            await self._whole(job)
        except _Interrupted:
            pass
        except asyncio.CancelledError:
            self._jobs.change(job.id, left_in_order=True)
            raise
        except ServingError as error:
            self._fail(job.id, Failure(message=str(error)))
        except Exception as error:
            log.exception("job %s failed", job.id)
            self._fail(
                job.id, Failure(message=f"The trainer failed on this job, {type(error).__name__}: {error}")
            )
        finally:
            self._current = None
        if (job := self._jobs.get(job.id)).ended:
            self._clear(job)
        await self._memory.give_back(lambda said: self._jobs.note(job, said), WAKE_SECONDS)

    async def _whole(self, job: Job) -> None:
        folder = self._jobs.folder(job)
        if job.status == "queued":
            job = self._jobs.change(job.id, status="running", started_at=int(time.time()))
            self._jobs.note(job, "The job has begun.")
        if job.begin_anew:
            await in_thread(lambda: _remove_run(folder, self._place(job)))
            self._jobs.change(job.id, begin_anew=False)
        if self._memory.wanted:
            await self._take_memory(job)
        judging: float | None = None
        stages: tuple[Stage, ...] = ("training", "evaluating", "finishing")
        for stage in stages:
            if not _done(folder, stage) and (stage != "evaluating" or job.evaluate):
                self._go_on()
                job = self._jobs.change(job.id, stage=stage, stage_at=time.time())
                if stage in _BEGINS:
                    self._jobs.note(job, _BEGINS[stage])
                await self._stage_whatever_is_killed(job, folder, stage)
                if stage == "evaluating":
                    judging = time.time() - (job.stage_at or time.time())
        self._go_on()
        self._succeed(self._jobs.get(job.id), folder, judging)

    def _go_on(self) -> None:
        """Raises `_Interrupted` where the job does not."""
        if self._interruption.is_set():
            raise _Interrupted

    async def _take_memory(self, job: Job) -> None:
        self._jobs.change(job.id, waiting_for_memory=True)
        await self._unless_interrupted(self._memory.take(lambda said: self._jobs.note(job, said)))
        self._jobs.change(job.id, waiting_for_memory=False)

    async def _unless_interrupted(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` gives. Raises `_Interrupted` as soon as the job is, and lets go of the work."""
        task = asyncio.create_task(work)
        interrupted = asyncio.create_task(self._interruption.wait())
        try:
            await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            self._go_on()
            return task.result()
        finally:
            for each in (task, interrupted):
                each.cancel()
                with contextlib.suppress(asyncio.CancelledError, ServingError):
                    await each

    async def _stage_whatever_is_killed(self, job: Job, folder: JobFolder, stage: Stage) -> None:
        """One stage to its end, also where the system ends its process. Raises `StageFailed`."""
        while True:
            try:
                return await self._stage(job, folder, stage)
            except StageKilled as killed:
                resumed = self._resume(self._jobs.get(job.id))
                if resumed.resumptions > MOST_RESUMPTIONS:
                    raise
                self._jobs.note(resumed, f"{killed} It goes on where it was.", level="warn")

    async def _stage(self, job: Job, folder: JobFolder, stage: Stage) -> None:
        """One stage to its end. Raises `StageFailed`."""
        process = await StageProcess.start(self._jobs.root, job, folder, stage, self._environment)
        follower = Follower(
            folder.run.metrics, [each["at"] for each in self._jobs.events(job) if "at" in each]
        )
        following = asyncio.create_task(self._follow(job, folder, follower))
        try:
            status = await self._unless_interrupted(process.wait())
        except _Interrupted:
            await process.end()
            raise
        except asyncio.CancelledError:
            await process.end(STOP_SECONDS)
            raise
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            self._tell(job, folder, follower)
        if status != 0 or not _done(folder, stage):
            killed = status == -signal.SIGKILL and not folder.failure.exists()
            raise (StageKilled if killed else StageFailed)(failure_of(folder, status).message)

    async def _follow(self, job: Job, folder: JobFolder, follower: Follower) -> None:
        while True:
            self._tell(job, folder, follower)
            await asyncio.sleep(FOLLOW_SECONDS)

    def _tell(self, job: Job, folder: JobFolder, follower: Follower) -> None:
        """The run's new events, as events of the job."""
        if new := follower.new():
            steps = training_of(folder).steps
            for event in new:
                if (said := told(event, steps)) is not None:
                    self._jobs.note(job, said[0], data=said[1], at=event["time"])

    def _succeed(self, job: Job, folder: JobFolder, judging: float | None) -> None:
        training = training_of(folder)
        figures = json.loads((folder.results / FIGURES).read_text(encoding="utf-8"))
        names = [*FROM_RUN, *(FROM_EVALUATION if job.evaluate else ()), ZIP]
        results = [self._files.add_result(job.id, folder.results / name, name).id for name in names]
        self._learn(job, folder, training, judging)
        job = self._end(
            job,
            status="succeeded",
            figures=figures,
            result_files=tuple(results),
            adapter_path=(folder.results / "adapter-path").read_text(encoding="utf-8"),
            trained_tokens=_trained_tokens(job, training),
        )
        self._jobs.note(job, f"The job has succeeded; the adapter is {job.name}.")

    def _learn(self, job: Job, folder: JobFolder, training: Training, judging: float | None) -> None:
        """Note how long the recipe took here, unless the trainer was away in between."""
        tokens, begun = _trained_tokens(job, training), training.last("begun")
        if job.resumptions or not tokens or begun is None or job.started_at is None:
            return
        try:
            estimated = int(folder.estimated.read_text(encoding="ascii"))
            answers = int((folder.evaluation / "total").read_text(encoding="ascii")) if judging else 0
        except (OSError, ValueError):
            return
        seconds = max(sum(seconds_of(training.events)), 1e-3)
        self._experiences.keep(
            job.recipe_id,
            job.method,
            Experience(
                tokens_per_estimated=begun["tokens"] / max(estimated, 1),
                seconds_per_token=seconds / tokens,
                seconds_per_answer=judging / answers if judging and answers else None,
                other_seconds=max(time.time() - job.started_at - seconds - (judging or 0.0), 0.0),
            ),
        )

    def _clear(self, job: Job) -> None:
        """Drop what an ended job needs no more: copies of rows; of one that came to nothing the adapter, and the way to
        go on with its run."""
        folder = self._jobs.folder(job)
        shutil.rmtree(folder.data, ignore_errors=True)
        if job.status != "succeeded":
            take_back(folder, self._place(job))
            shutil.rmtree(folder.run.checkpoints, ignore_errors=True)

    def _place(self, job: Job) -> Path:
        """Where its adapter goes."""
        return Path(self._environment["ADAPTERS_DIR"]) / job.name


def _remove_run(folder: JobFolder, place: Path) -> None:
    wait_for_others(folder)
    take_back(folder, place)
    for path in (folder.data, folder.run.path, folder.evaluation, folder.results):
        shutil.rmtree(path, ignore_errors=True)


def _done(folder: JobFolder, stage: Stage) -> bool:
    """Whether the stage has written what it writes last."""
    if stage == "training":
        return folder.run.complete
    return ((folder.evaluation if stage == "evaluating" else folder.results) / FIGURES).is_file()


def _trained_tokens(job: Job, training: Training) -> int | None:
    begun = training.last("begun")
    return round(begun["tokens"] * epochs_of(job.recipe, job.method)) if begun else None

"""One stage of a job as a process of its own: `python -m training.serving.stage FOLDER JOB STAGE TRAINER`.

It ends by itself when the trainer that started it, whose process has that number, is gone: a training after its step,
with a checkpoint. Called again it goes on; exit status 0 is done, 130 stopped, anything else failed, and `failure.json`
then says why.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from model.errors import ModelError
from model.settings import WorkerSettings
from model.with_parent import is_gone, parent_process
from training.chats import write_text
from training.errors import TrainingError
from training.locking import FileHeld, lock
from training.serving.jobs import Failure, Job, JobFolder, read_job

STOPPED = 130
_LOOK_SECONDS = 0.5
_HELD_SECONDS = 60.0
"""How long the process of an earlier trainer may take to end after its step."""


def main() -> int:
    """Run the stage that the command line names."""
    root, job_id, stage = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    _end_with_parent(parent_process(sys.argv[4]))
    job = read_job(root / "jobs" / job_id)
    if job is None:
        print(f"error: there is no job {job_id} in {root}", file=sys.stderr)  # noqa: T201
        return 2
    folder = JobFolder(root / "jobs" / job_id, job.name)
    try:
        wait_for_others(folder)
        with lock(folder.lock):
            folder.failure.unlink(missing_ok=True)
            folder.pid.write_text(str(os.getpid()), encoding="ascii")
            _STAGES[stage](root, job, folder)
    except KeyboardInterrupt:
        return STOPPED
    except (TrainingError, ModelError, OSError) as error:
        return _failed(folder, str(error))
    except Exception as error:
        import traceback

        traceback.print_exc()
        return _failed(folder, _unforeseen(error))
    return 0


def _train(root: Path, job: Job, folder: JobFolder) -> None:
    from training.finetuning.finetune import finetune
    from training.finetuning.options import Options
    from training.serving.data import write_data

    write_data(root, job, folder)
    settings = WorkerSettings()
    finetune(
        job.recipe,
        Options(
            data=folder.data,
            method=job.method,
            rated=folder.data / "rated.jsonl" if job.method == "kto" else None,
            adapter=_start(job),
            runs=folder.run.path.parent,
            name=job.name,
            backend="transformers" if job.method == "kto" else "auto",
            embedded_source=settings.embedded_model_path,
            cache=settings.fanfabler_cache,
        ),
    )


def _start(job: Job) -> Path | None:
    from training.serving.adapters import folder_of

    return folder_of(job.start_adapter, WorkerSettings()) if job.start_adapter else None


def _evaluate(root: Path, job: Job, folder: JobFolder) -> None:
    from training.serving.judging import judge_adapter

    judge_adapter(job, folder)


def _finish(root: Path, job: Job, folder: JobFolder) -> None:
    from training.serving.results import finish

    finish(job, folder)


_STAGES: Mapping[str, Callable[[Path, Job, JobFolder], None]] = {
    "training": _train,
    "evaluating": _evaluate,
    "finishing": _finish,
}


def _end_with_parent(parent: int) -> None:
    """Be told to stop as soon as the process that started this one is gone; it may have gone before this one looked."""

    def watch() -> None:
        while not is_gone(parent):
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def wait_for_others(folder: JobFolder) -> None:
    """Wait for the process that an earlier trainer left at this job, and end it where it does not end.

    The lock says that it lives, so the number beside it is its own and nobody else's.
    """
    until = time.monotonic() + _HELD_SECONDS
    while True:
        try:
            with lock(folder.lock):
                return
        except FileHeld:
            if time.monotonic() > until:
                os.kill(int(folder.pid.read_text(encoding="ascii")), signal.SIGKILL)
                until = time.monotonic() + _HELD_SECONDS
            time.sleep(0.1)


def _failed(folder: JobFolder, message: str) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    write_text(folder.failure, Failure(message=message).model_dump_json() + "\n")
    return 1


def _unforeseen(error: Exception) -> str:
    if "out of memory" in str(error).lower():
        return (
            "The memory does not suffice for this recipe here. Take a smaller batch_size or recipe, or end what else "
            "runs on the GPU."
        )
    return f"An error that was not foreseen, {type(error).__name__}: {error}. The job's log.txt has more."


def failure_of(folder: JobFolder, status: int) -> Failure:
    """Why a stage's process ended with this status; negative ones are signals."""
    try:
        return Failure.model_validate_json(folder.failure.read_bytes())
    except (OSError, ValueError):
        pass
    if status == -signal.SIGKILL:
        said = "The system ended the job's process, most likely because the machine ran out of memory."
    else:
        said = f"The job's process ended with status {status}; its log.txt has what it said last."
    return Failure(message=said)


if __name__ == "__main__":
    sys.exit(main())

"""Jobs: what each was asked for, how far it is, and its events. On disk before anybody is told.

jobs/<id>/job.json      the job, written anew in one step at every change
jobs/<id>/events.jsonl  its events, a line each
jobs/<id>/data/         the rows that it trains on; gone once it has ended
jobs/<id>/runs/<name>/  the run (`training.finetuning.run_folder`)
jobs/<id>/evaluation/   the report, and the answers that it is about
jobs/<id>/log.txt       what its processes said
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.chats import write_text
from training.finetuning.options import Method
from training.finetuning.recipe import Recipe
from training.finetuning.run_folder import RunFolder
from training.serving.errors import NotFound
from training.serving.ids import new_id
from training.serving.recipes import Hyperparameters

Status = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]
Stage = Literal["training", "evaluating", "finishing"]
Level = Literal["info", "warn", "error"]

SHIPPED = "shipped"
"""The id of the dataset that comes with this package."""


class Failure(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(frozen=True)

    message: str
    code: str = "training_failed"
    param: str | None = None


class Job(BaseModel):
    """One job; a value, changed by writing the next one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    created_at: int
    status: Status
    name: str
    """Of the adapter that it makes."""
    model: str
    """As it was asked for."""
    recipe_id: str
    recipe: Recipe
    """With the hyperparameters asked for, so that a change of its file changes no job."""
    preset: str
    """The name of that whose base it trains."""
    family: str
    """Of the base model."""
    method: Method = "sft"
    training_file: str
    validation_file: str | None = None
    rated_file: str | None = None
    start_adapter: str | None = None
    compare_with: str | None = None
    languages: tuple[str, ...] | None = None
    """Train and judge on these alone."""
    limit: int | None = None
    """Train on so many rows alone."""
    evaluate: bool = True
    samples: int = 6
    """Answers to each question of the evaluation."""
    test_chats: int | None = None
    """How many chats it is about; None: all."""
    hyperparameters: Hyperparameters = Hyperparameters()
    used: dict[str, Any] = Field(default_factory=dict)
    """The hyperparameters as they came out."""
    metadata: dict[str, str] = Field(default_factory=dict)
    started_at: int | None = None
    finished_at: int | None = None
    stage: Stage | None = None
    """That is under way, or was last."""
    stage_at: float | None = None
    """When its process was started, the last time."""
    waiting_for_memory: bool = False
    begin_anew: bool = False
    """Its data has changed under it, so that its run is begun again."""
    resumptions: int = 0
    """How often it went on after the trainer had ended, without a step or an answer in between."""
    resumed_at: int = -1
    """Steps and answers at the last of them."""
    left_in_order: bool = False
    """Whether the trainer ended because it was told to."""
    error: Failure | None = None
    result_files: tuple[str, ...] = ()
    trained_tokens: int | None = None
    adapter_path: str | None = None
    figures: dict[str, Any] = Field(default_factory=dict)
    """What the evaluation found, in a few numbers."""

    @property
    def ended(self) -> bool:
        return self.status in {"succeeded", "failed", "cancelled"}

    @property
    def files(self) -> set[str]:
        """The uploaded files that it needs."""
        named = {self.training_file, self.validation_file, self.rated_file}
        return {each for each in named if each is not None and each != SHIPPED}


class JobFolder:
    """The files of a job."""

    def __init__(self, path: Path, name: str) -> None:
        """`name` is the run's."""
        self.path = path
        self.run = RunFolder(path / "runs" / name)

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def estimated(self) -> Path:
        """How many tokens its rows had been taken for."""
        return self.path / "estimated-tokens"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation"

    @property
    def results(self) -> Path:
        return self.path / "results"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def failure(self) -> Path:
        """What a stage says of its failure."""
        return self.path / "failure.json"

    @property
    def lock(self) -> Path:
        """Held by the process of a stage."""
        return self.path / ".lock"

    @property
    def pid(self) -> Path:
        """Of the process that holds the lock."""
        return self.path / ".pid"


class JobStore:
    """All jobs of the trainer's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / "jobs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._jobs: dict[str, Job] = {}
        for path in sorted(self._folder.glob("*/job.json")):
            job = read_job(path.parent)
            if job is not None:
                self._jobs[job.id] = job

    def all(self) -> list[Job]:
        """The newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.id, reverse=True)

    def get(self, job_id: str) -> Job:
        """Raises `NotFound`."""
        if job_id not in self._jobs:
            raise NotFound(f"There is no job {job_id!r} here.", param="fine_tuning_job_id")
        return self._jobs[job_id]

    def folder(self, job: Job) -> JobFolder:
        return JobFolder(self._folder / job.id, job.name)

    def save(self, job: Job) -> Job:
        """Have it on disk."""
        write_text(self._folder / job.id / "job.json", job.model_dump_json(indent=1) + "\n")
        self._jobs[job.id] = job
        return job

    def change(self, job_id: str, **fields: Any) -> Job:
        """Save a job with other values in these fields."""
        return self.save(self.get(job_id).model_copy(update=fields))

    def running(self) -> Job | None:
        """The one whose turn it is."""
        return next((job for job in self.all() if job.status == "running"), None)

    def queued(self) -> list[Job]:
        """Those that wait, in their turn."""
        return [job for job in reversed(self.all()) if job.status == "queued"]

    def note(
        self,
        job: Job,
        message: str,
        *,
        level: Level = "info",
        data: dict[str, Any] | None = None,
        at: float | None = None,
    ) -> None:
        """Write an event of a job. With `data`, figures for programs, its type is `metrics`.

        `at`: the time of the run's own event that it tells.
        """
        event: dict[str, Any] = {
            "id": new_id("ftevent"),
            "object": "fine_tuning.job.event",
            "created_at": int(time.time()),
            "level": level,
            "message": message,
            "type": "message" if data is None else "metrics",
            "data": data,
        }
        if at is not None:
            event["at"] = at
        with (self._folder / job.id / "events.jsonl").open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a kill in the middle of a line
                    file.write(b"\n")
            file.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")

    def events(self, job: Job) -> list[dict[str, Any]]:
        """The oldest first."""
        return list(_whole_lines(self._folder / job.id / "events.jsonl"))


def read_job(folder: Path) -> Job | None:
    """The job in this folder; None where there is none that can be read."""
    try:
        return Job.model_validate_json((folder / "job.json").read_bytes())
    except (OSError, ValidationError):
        return None


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """A kill may have left half of a line."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            yield found

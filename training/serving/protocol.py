"""OpenAI's requests and answers about fine-tuning, with what is ours beside it.

Source: the API reference of `fine_tuning.jobs` and `files` (platform.openai.com/docs/api-reference/fine-tuning).
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from model.languages import LANGUAGES
from training.finetuning.checkpoints import Checkpoints
from training.finetuning.options import Method
from training.serving.following import progress_of, training_of
from training.serving.jobs import Job, JobFolder
from training.serving.recipes import Hyperparameters

SUFFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
MOST_SAMPLES = 20

_Key = Annotated[str, StringConstraints(max_length=64)]
_Value = Annotated[str, StringConstraints(max_length=512)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Supervised(_Body):
    hyperparameters: Hyperparameters | None = None


class MethodChoice(_Body):
    type: Literal["supervised", "dpo", "reinforcement"] = "supervised"
    supervised: Supervised | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "supervised":
            raise ValueError(
                f"{value!r} is not to be had here: leave it at supervised; metadata.method says sft or kto"
            )
        return value


class Metadata(_Body):
    """What we read from a job's metadata; all of it is kept."""

    recipe: str | None = None
    method: Method = "sft"
    rated_file: str | None = None
    start_adapter: str | None = None
    compare_with: str | None = None
    evaluate: bool = True
    samples: int | None = Field(default=None, ge=1, le=MOST_SAMPLES)
    languages: tuple[str, ...] | None = None
    limit: int | None = Field(default=None, ge=1)

    @field_validator("languages", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("languages")
    @classmethod
    def _forty(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or set(value) - LANGUAGES.keys()):
            raise ValueError("codes of the forty languages, by commas")
        return value


class CreateJob(_Body):
    """`POST /v1/fine_tuning/jobs`."""

    model: str = Field(min_length=1, max_length=200)
    training_file: str = Field(min_length=1, max_length=200)
    validation_file: str | None = None
    suffix: str | None = None
    hyperparameters: Hyperparameters | None = None
    method: MethodChoice | None = None
    metadata: dict[_Key, _Value] | None = Field(default=None, max_length=16)
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    integrations: tuple[Any, ...] | None = None

    @field_validator("suffix")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None and not SUFFIX.fullmatch(value):
            raise ValueError("up to 64 of a-z, 0-9 and -, with neither end a -")
        return value

    @field_validator("integrations")
    @classmethod
    def _none(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if value:
            raise ValueError("no integrations are to be had here")
        return value

    def wanted(self) -> Hyperparameters:
        """Those of the method go before those beside it, as OpenAI has it."""
        own = self.method.supervised.hyperparameters if self.method and self.method.supervised else None
        return own or self.hyperparameters or Hyperparameters()


def job_for_client(job: Job, folder: JobFolder) -> dict[str, Any]:
    """A job as OpenAI has it, with `progress`, `adapter` and `figures` of ours."""
    progress = progress_of(job, folder)
    left = progress["seconds_left"] if progress else None
    used = job.used or dict.fromkeys(Hyperparameters.model_fields, "auto")
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "estimated_finish": None if left is None else int(time.time() + left),
        "error": job.error.model_dump() if job.error else None,
        "fine_tuned_model": job.name if job.status == "succeeded" else None,
        "suffix": job.name,
        "hyperparameters": used,
        "method": {"type": "supervised", "supervised": {"hyperparameters": used}},
        "model": job.model,
        "organization_id": "fanfabler",
        "result_files": list(job.result_files),
        "seed": job.recipe.seed,
        "status": job.status,
        "trained_tokens": job.trained_tokens,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "integrations": [],
        "metadata": job.metadata,
        "progress": progress,
        "adapter": {"name": job.name, "path": job.adapter_path} if job.adapter_path else None,
        "figures": job.figures or None,
    }


def checkpoints_for_client(job: Job, folder: JobFolder) -> list[dict[str, Any]]:
    """The checkpoints that are on disk, the newest first."""
    training = training_of(folder)
    losses = {event["step"]: event["loss"] for event in training.events if event["event"] == "step"}
    found = []
    for checkpoint in reversed(Checkpoints(folder.run.checkpoints).all()):
        step = checkpoint.progress.step
        found.append(
            {
                "id": f"ftckpt-{job.id.removeprefix('ftjob-')}-{step}",
                "object": "fine_tuning.job.checkpoint",
                "created_at": int(checkpoint.path.stat().st_mtime),
                "fine_tuned_model_checkpoint": f"{job.name}:step-{step}",
                "fine_tuning_job_id": job.id,
                "step_number": step,
                "metrics": {
                    "step": step,
                    "train_loss": losses.get(step),
                    "valid_loss": checkpoint.progress.loss,
                },
                "path": str(checkpoint.path),
            }
        )
    return found


def page(items: list[dict[str, Any]], after: str | None, limit: int, *, key: str = "id") -> dict[str, Any]:
    """A page of a list, behind the item of this id."""
    if after is not None:
        places = [place for place, item in enumerate(items) if item[key] == after]
        items = items[places[0] + 1 :] if places else []
    shown = items[:limit]
    return {
        "object": "list",
        "data": shown,
        "has_more": len(items) > limit,
        "first_id": shown[0][key] if shown else None,
        "last_id": shown[-1][key] if shown else None,
    }

"""The trainer's HTTP API as an OpenAPI 3.1 document: requests from the models that read them, answers from the models
below, which tests hold to what the trainer really sends. `GET /openapi.json` has it, and the documentation's site."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.server.openapi_document import Answer, Operation, Parameter, Server, describe
from training.finetuning.options import Method
from training.serving.files import Purpose
from training.serving.jobs import Failure, Level, Stage, Status
from training.serving.protocol import CreateJob
from training.serving.rows import Kind


class FileForm(BaseModel):
    """A form, as `multipart/form-data`."""

    model_config = ConfigDict(extra="ignore")

    file: bytes = Field(description="JSONL in UTF-8, a chat a line")
    purpose: Literal["fine-tune"]
    kind: Kind = "chats"
    checks: Literal["all", "form"] = "all"
    on_bad_rows: Literal["refuse", "drop"] = "refuse"
    members: str | None = Field(
        default=None, description="a JSON list of hashes: whose the rows are that do not say so themselves"
    )


class TrainerFile(Answer):
    """A file, uploaded (then with `kind`, `rows` and `languages`) or the result of a job."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: None
    filename: str
    purpose: Purpose
    status: Literal["processed"]
    status_details: None
    kind: Kind | None = None
    rows: int | None = None
    languages: list[str] | None = None
    job: str | None = None


class DroppedRow(Answer):
    """A row that was left out, and why."""

    line: int
    reason: str


class UploadedFile(TrainerFile):
    """The file that was let in, and how many rows were left out; the first ten of them."""

    dropped: int
    dropped_rows: list[DroppedRow]


class DeletedFile(Answer):
    """That it is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class _Page(Answer):
    object: Literal["list"]
    has_more: bool
    first_id: str | None
    last_id: str | None


class TrainerFiles(_Page):
    """A page of files, the newest first."""

    data: list[TrainerFile]


class TrainingRecipe(Answer):
    """What a job can be asked for; `reason` says why it cannot run on this machine."""

    id: str
    object: Literal["recipe"]
    description: str
    preset: str
    base: str
    lineage: str
    runnable: bool
    reason: str | None


class TrainingRecipes(Answer):
    """All that may be asked for."""

    object: Literal["list"]
    data: list[TrainingRecipe]


class Estimate(Answer):
    """What a job would take; `seconds` as it went the last time, null where there was none."""

    object: Literal["estimate"]
    recipe: str
    method: Method
    rows: int
    tokens: int
    steps: int
    seconds: float | None


class TrainingDataset(Answer):
    """What a job can be trained on: the shipped chats, or an uploaded file."""

    id: str
    object: Literal["dataset"]
    name: str
    rows: int
    languages: list[str]
    kind: Kind


class TrainingDatasets(Answer):
    """All of them, the shipped one first."""

    object: Literal["list"]
    data: list[TrainingDataset]


class TrainedAdapter(Answer):
    """An adapter; figures compare only where `evaluated_on` is the same."""

    id: str
    object: Literal["adapter"]
    path: str | None
    preset: str | None
    base: str | None
    recipe: str | None
    job: str | None
    created_at: int | None
    lineage: str | None
    held_out_loss: float | None
    language_match: float | None
    evaluated_on: Any
    base_held_out_loss: float | None
    base_language_match: float | None
    validation_loss: float | None
    result_files: list[str]


class TrainedAdapters(Answer):
    """All that are known."""

    object: Literal["list"]
    data: list[TrainedAdapter]


class Forgotten(Answer):
    """How many rows were removed."""

    object: Literal["member.forgotten"]
    removed: int


class UsedHyperparameters(Answer):
    """As they came out; `auto` until that is known."""

    n_epochs: float | Literal["auto"]
    batch_size: int | Literal["auto"]
    learning_rate_multiplier: float | Literal["auto"]


class UsedSupervised(Answer):
    """As OpenAI nests it."""

    hyperparameters: UsedHyperparameters


class UsedMethod(Answer):
    """As OpenAI has it; `metadata.method` says which of ours it is."""

    type: Literal["supervised"]
    supervised: UsedSupervised


class Progress(Answer):
    """How far a running job is. While it is judged, `step` and `steps` are answers."""

    stage: Stage | Literal["waiting for memory"]
    step: int
    steps: int | None
    loss: float | None
    held_out_loss: float | None
    tokens_per_second: float | None
    seconds_left: float | None


class AdapterPlace(Answer):
    """The adapter that a job has made."""

    name: str
    path: str


class FineTuningJob(Answer):
    """OpenAI's job, with `progress`, `adapter` and `figures` of ours."""

    id: str
    object: Literal["fine_tuning.job"]
    created_at: int
    started_at: int | None
    finished_at: int | None
    estimated_finish: int | None
    error: Failure | None
    fine_tuned_model: str | None
    suffix: str
    hyperparameters: UsedHyperparameters
    method: UsedMethod
    model: str
    organization_id: str
    result_files: list[str]
    seed: int
    status: Status
    trained_tokens: int | None
    training_file: str
    validation_file: str | None
    integrations: list[Any]
    metadata: dict[str, str]
    progress: Progress | None
    adapter: AdapterPlace | None
    figures: dict[str, Any] | None


class FineTuningJobs(_Page):
    """A page of jobs, the newest first."""

    data: list[FineTuningJob]


class JobEvent(Answer):
    """What a job has to say; one with figures has the type `metrics`."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: Level
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] | None


class JobEvents(_Page):
    """A page of events, the newest first unless `order` is `asc`."""

    data: list[JobEvent]


class CheckpointMetrics(Answer):
    """What was measured there."""

    step: int
    train_loss: float | None
    valid_loss: float | None


class JobCheckpoint(Answer):
    """A checkpoint, and where it lies."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics
    path: str


class JobCheckpoints(_Page):
    """A page of those that are on disk, the newest first."""

    data: list[JobCheckpoint]


class TrainerHealth(Answer):
    """How the trainer is: the job that runs, how many wait, and whether the worker sleeps for it."""

    ready: bool
    status: str
    running: str | None
    queued: int
    worker_asleep: bool


_JOBS = "/v1/fine_tuning/jobs"
_FILE = (Parameter("path", "file", "its id"),)
_JOB = (Parameter("path", "job", "its id"),)
_PAGE = (
    Parameter("query", "limit", "how many at most"),
    Parameter("query", "after", "the id behind which the page begins"),
)
_WRONG_PAGE = {400: "limit is no number from 1 to 10000"}
_NO_FILE = {404: "there is no such file"}
_NO_JOB = {404: "there is no such job"}
_DISK = {507: "the trainer's disk would not do it"}
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("post", "/v1/files"): Operation(
        "Upload rows; each is checked.",
        request=FileForm,
        request_type="multipart/form-data",
        answer=UploadedFile,
        failures={
            400: "rows are bad, or a field is wrong",
            408: "it did not arrive in time",
            413: "the file is too large",
        }
        | _DISK,
    ),
    ("get", "/v1/files"): Operation(
        "List the files.",
        answer=TrainerFiles,
        parameters=(
            Parameter("query", "purpose", "those of this purpose alone", ("fine-tune", "fine-tune-results")),
            *_PAGE,
        ),
        failures=_WRONG_PAGE,
    ),
    ("get", "/v1/files/{file}"): Operation(
        "Describe a file.", answer=TrainerFile, parameters=_FILE, failures=_NO_FILE
    ),
    ("get", "/v1/files/{file}/content"): Operation(
        "Download a file.",
        answer="application/octet-stream",
        parameters=_FILE,
        failures=_NO_FILE,
    ),
    ("delete", "/v1/files/{file}"): Operation(
        "Delete a file.",
        answer=DeletedFile,
        parameters=_FILE,
        failures=_NO_FILE | {409: "a job still needs it"},
    ),
    ("get", "/v1/recipes"): Operation("List the recipes that jobs may use.", answer=TrainingRecipes),
    ("get", "/v1/recipes/{recipe}/estimate"): Operation(
        "Say what a job would take.",
        answer=Estimate,
        parameters=(
            Parameter("path", "recipe", "its id"),
            Parameter("query", "dataset", "what it is trained on; shipped where nothing is said"),
            Parameter("query", "rated", "a dataset of rated answers"),
            Parameter("query", "method", "kto where rated is given and nothing is said", ("sft", "kto")),
            Parameter("query", "languages", "as in a job's metadata"),
            Parameter("query", "samples", "as in a job's metadata"),
            Parameter("query", "start_adapter", "as in a job's metadata"),
            Parameter("query", "compare_with", "as in a job's metadata"),
        ),
        failures={400: "a parameter is wrong", 404: "there is no such recipe or dataset"},
    ),
    ("get", "/v1/datasets"): Operation("List what jobs can be trained on.", answer=TrainingDatasets),
    ("get", "/v1/adapters"): Operation("List the adapters that are known.", answer=TrainedAdapters),
    ("post", "/v1/members/{member}/forget"): Operation(
        "Remove a member's rows from all files. A job that trains on such rows begins again without them.",
        answer=Forgotten,
        parameters=(Parameter("path", "member", "the hash by which the rows name them"),),
        failures=_DISK,
    ),
    ("post", _JOBS): Operation(
        "Train an adapter, in its turn.",
        request=CreateJob,
        answer=FineTuningJob,
        failures={
            400: "a field is wrong, or cannot be done here; `param` names it",
            404: "there is no such file, recipe or adapter",
            409: "the name is taken",
            413: "the body is too large",
        }
        | _DISK,
    ),
    ("get", _JOBS): Operation(
        "List the jobs.", answer=FineTuningJobs, parameters=_PAGE, failures=_WRONG_PAGE
    ),
    ("get", f"{_JOBS}/{{job}}"): Operation(
        "Describe a job, and how far it is.", answer=FineTuningJob, parameters=_JOB, failures=_NO_JOB
    ),
    ("get", f"{_JOBS}/{{job}}/events"): Operation(
        "List what a job had to say.",
        answer=JobEvents,
        parameters=(
            *_JOB,
            Parameter("query", "order", "asc: the oldest first", ("asc", "desc")),
            *_PAGE,
        ),
        failures=_WRONG_PAGE | _NO_JOB,
    ),
    ("get", f"{_JOBS}/{{job}}/checkpoints"): Operation(
        "List a job's checkpoints.",
        answer=JobCheckpoints,
        parameters=(*_JOB, *_PAGE),
        failures=_WRONG_PAGE | _NO_JOB,
    ),
    ("get", f"{_JOBS}/{{job}}/loss.png"): Operation(
        "Draw the loss curves so far.",
        answer="image/png",
        parameters=(*_JOB, Parameter("query", "theme", "light where nothing is said", ("light", "dark"))),
        failures={404: "there is no such job, or it has made no step yet"},
    ),
    ("post", f"{_JOBS}/{{job}}/cancel"): Operation(
        "Cancel a job, after its step.",
        answer=FineTuningJob,
        parameters=_JOB,
        failures=_NO_JOB | {409: "it has ended"},
    ),
    ("get", "/health"): Operation("Say how the trainer is.", access="nobody", answer=TrainerHealth),
    ("get", "/metrics"): Operation(
        "Measurements for Prometheus; open to everyone where the trainer listens on a loopback address."
    ),
    ("get", "/openapi.json"): Operation("This document.", access="nobody", answer="application/json"),
}


def document(version: str) -> dict[str, Any]:
    """The OpenAPI document, for this version of FanFabler."""
    return describe(
        Server(
            title="FanFabler's trainer",
            description="OpenAI's files and fine-tuning jobs, with recipes, estimates, datasets and adapters of ours.",
            operations=OPERATIONS,
            tokens={"token": "TRAINER_TOKEN, where it is set"},
        ),
        version,
    )

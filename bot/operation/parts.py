"""What the operator's commands work with, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.database.connection import Database
from bot.operation.choices import ModelChoices
from bot.operation.comparisons import Comparisons
from bot.operation.forgetting import Forgetting
from bot.operation.models import Models
from bot.operation.runs import TrainingRuns
from bot.operation.serving import ChosenWorker, ServedModels
from bot.operation.uploads import FeedbackUploads
from bot.trainer_client import Trainer
from bot.worker_client import Worker

if TYPE_CHECKING:
    from openai import AsyncOpenAI


@dataclass(frozen=True)
class WorkerClients:
    """The ways to the worker: one with its own token, and one with that for adapters, which may be the same."""

    answers: AsyncOpenAI
    admin: AsyncOpenAI


@dataclass(frozen=True)
class Operation:
    """The services of the operator. `worker` answers with the models that were chosen."""

    worker: Worker
    trainer: Trainer
    choices: ModelChoices
    served: ServedModels
    models: Models
    runs: TrainingRuns
    uploads: FeedbackUploads
    comparisons: Comparisons
    forgetting: Forgetting


def build_operation(
    database: Database,
    worker: Worker,
    clients: WorkerClients,
    trainer: Trainer,
    *,
    own_model: str | None,
    max_answer_tokens: int,
) -> Operation:
    """`own_model` is asked where none is chosen."""
    choices = ModelChoices(database)
    served = ServedModels(clients.answers, clients.admin, choices, own=own_model)
    forgetting = Forgetting(database, trainer)
    return Operation(
        worker=ChosenWorker(worker, choices, served),
        trainer=trainer,
        choices=choices,
        served=served,
        models=Models(trainer, served, choices, own=own_model),
        runs=TrainingRuns(database, trainer, forgetting),
        uploads=FeedbackUploads(database, trainer),
        comparisons=Comparisons(database, worker, served, max_tokens=max_answer_tokens),
        forgetting=forgetting,
    )

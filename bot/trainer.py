"""What the trainer has and says, as values, and what can be wrong with it. What another server than ours does not say
is None. `bot.trainer_client` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.errors import BotError

FileKind = Literal["chats", "rated"]

OVER = frozenset({"succeeded", "failed", "cancelled"})
"""How a job ends."""


class TrainerError(BotError):
    """The trainer could not do it."""


class TrainerNotSet(TrainerError):
    """There is no trainer: TRAINER_URL is not set."""


class TrainerUnreachable(TrainerError):
    """The trainer cannot be reached."""


class TrainerRefused(TrainerError):
    """The trainer refused the request; its own reason."""


class TrainerLacks(TrainerRefused):
    """The trainer has no such thing."""


@dataclass(frozen=True)
class Recipe:
    """What can be trained. `reason` says why not, where it is not `runnable` there. `lineage` is the family of its
    `base`: it may be trained on what models of that family wrote."""

    id: str
    description: str
    preset: str
    runnable: bool
    reason: str | None
    lineage: str | None = None
    base: str | None = None


@dataclass(frozen=True)
class Dataset:
    """What it can be trained on: the shipped data, or an uploaded file."""

    id: str
    name: str
    rows: int
    languages: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Estimate:
    """How much a run would be; `seconds` is None until one of the kind has been timed."""

    rows: int
    tokens: int
    steps: int
    seconds: float | None


@dataclass(frozen=True)
class Progress:
    """Where a running job is; None is not known."""

    stage: str
    step: int | None
    steps: int | None
    loss: float | None
    held_out_loss: float | None
    tokens_per_second: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class TrainingJob:
    """A job. `path` is where its adapter lies, on the machine that trainer and worker share."""

    id: str
    status: str
    created_at: float
    finished_at: float | None
    error: str | None
    adapter: str | None
    path: str | None
    progress: Progress | None
    result_files: tuple[str, ...]
    metadata: Mapping[str, str]

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in OVER


@dataclass(frozen=True)
class Adapter:
    """An adapter that the trainer knows, with the figures it is judged by, and those of its `base` in the same
    evaluation."""

    id: str
    path: str
    preset: str
    recipe: str | None
    lineage: str | None
    created_at: float | None
    held_out_loss: float | None
    language_match: float | None
    evaluated_on: str | None
    result_files: tuple[str, ...]
    base_held_out_loss: float | None = None
    base_language_match: float | None = None
    base: str | None = None


@dataclass(frozen=True)
class Stored:
    """A file that the trainer took. `dropped` are its reasons for the rows that it left out, the first few of
    `left_out`."""

    id: str
    rows: int
    left_out: int
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """A run to be made. `key` is the bot's own name for it; `compare_with` the adapter that its evaluation is set
    beside. `languages` are the codes that it is trained and examined in, all where there are none; `samples` how many
    answers are examined to each question."""

    key: str
    recipe: str
    preset: str
    dataset: str
    name: str
    rated_file: str | None = None
    start_adapter: str | None = None
    compare_with: str | None = None
    languages: tuple[str, ...] = ()
    samples: int | None = None

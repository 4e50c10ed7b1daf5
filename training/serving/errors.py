"""The exceptions of the trainer.

TrainingError
└── ServingError
    ├── BadRequest
    │   ├── NotFound
    │   └── Conflict
    ├── StageFailed
    └── WorkerRefused
"""

from __future__ import annotations

from training.errors import TrainingError


class ServingError(TrainingError):
    """The trainer could not do it."""


class BadRequest(ServingError):
    """A request that cannot be carried out as it is."""

    status = 400

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_value") -> None:
        """`param` is the field at fault, `code` a word for programs."""
        super().__init__(message)
        self.param = param
        self.code = code


class NotFound(BadRequest):
    """There is no such thing here."""

    status = 404

    def __init__(self, message: str, *, param: str | None = None, code: str = "not_found") -> None:
        super().__init__(message, param=param, code=code)


class Conflict(BadRequest):
    """It stands against what is there."""

    status = 409

    def __init__(self, message: str, *, param: str | None = None, code: str = "conflict") -> None:
        super().__init__(message, param=param, code=code)


class StageFailed(ServingError):
    """A stage of a job failed."""


class StageKilled(StageFailed):
    """The system ended a stage's process, which said nothing: the stage can go on where it was."""


class WorkerRefused(ServingError):
    """The worker would not be put to sleep, or woken up."""

"""What can go wrong in the worker, as one branch of `ModelError`.

ModelError
└── WorkerError
    ├── PresetError
    ├── CannotRun
    ├── AdapterRefused
    │   └── AdapterNotFound
    └── EngineError
        ├── QueueFull
        ├── RequestRefused
        └── EngineFailed
"""

from __future__ import annotations

from model.errors import ModelError


class WorkerError(ModelError):
    """The worker cannot go on."""


class PresetError(WorkerError):
    """There is no such preset, or its file is not valid."""


class CannotRun(WorkerError):
    """This machine cannot run the preset; the message says what is missing and how to get it."""


class AdapterRefused(WorkerError):
    """This adapter cannot be served; the message says why. What was served before still is."""


class AdapterNotFound(AdapterRefused):
    """There is no adapter where one was looked for."""


class EngineError(WorkerError):
    """The engine could not generate."""


class QueueFull(EngineError):
    """The worker's queue is full."""

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0) -> None:
        """`retry_after`: seconds until a place is likely to be free."""
        super().__init__(message)
        self.retry_after = retry_after


class RequestRefused(EngineError):
    """The engine cannot do what this request asks for."""

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        """`field`: the field of the request that is at fault, where it is one."""
        super().__init__(message)
        self.field = field


class EngineFailed(EngineError):
    """The engine has failed and generates nothing any more."""

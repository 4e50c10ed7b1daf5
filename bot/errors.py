"""The bot's exceptions: one tree. The docstring of a class is its default message for logs; what people read
comes from the message catalogue (`bot.discord.replies`)."""

from __future__ import annotations

from datetime import datetime


class BotError(Exception):
    """Something went wrong in the bot."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))


class QueueFull(BotError):
    """The queue has no room for another request."""


class QueueDraining(QueueFull):
    """Nothing more is taken until what waits is written; the admins want it so."""


class TooManyWaiting(BotError):
    """The member already has as many requests waiting as one member may have."""


class QuotaReached(BotError):
    """The answers of the last 24 hours are used up. `free_at` is None where none was ever allowed; with `everybody`
    the quota is the server's, not the member's."""

    def __init__(self, limit: int, free_at: datetime | None, *, everybody: bool) -> None:
        super().__init__()
        self.limit = limit
        self.free_at = free_at
        self.everybody = everybody


class LeaseLost(BotError):
    """Another process has taken this job over."""


class WorkerError(BotError):
    """The worker could not answer."""


class WorkerUnreachable(WorkerError):
    """The worker cannot be reached."""


class WorkerBusy(WorkerError):
    """The worker's queue is full."""

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WorkerAsleep(WorkerBusy):
    """The worker sleeps while something else has its memory; it serves again when that is over."""


class ModelMissing(WorkerError):
    """The worker does not have the model that was asked for (any more)."""


class WorkerRefused(WorkerError):
    """The worker refused the request; sending it again would not help."""


class StageError(BotError):
    """Discord could not take it just now; trying again may help."""


class ThreadGone(StageError):
    """The thread, or the place for it, is gone or closed to the bot; trying again would not help."""


class SettingsError(BotError):
    """A setting is missing or wrong."""

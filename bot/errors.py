"""The bot's exceptions: one tree. The docstring of a class is its default message for logs; what people read
comes from the message catalogue (`bot.discord.replies`)."""

from __future__ import annotations


class BotError(Exception):
    """Something went wrong in the bot."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))


class QueueFull(BotError):
    """The queue has no room for another request."""


class TooManyWaiting(BotError):
    """The member already has as many requests waiting as one member may have."""


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


class WorkerRefused(WorkerError):
    """The worker refused the request; sending it again would not help."""


class StageError(BotError):
    """Discord could not take it just now; trying again may help."""


class ThreadGone(StageError):
    """The thread, or the place for it, is gone or closed to the bot; trying again would not help."""


class SettingsError(BotError):
    """A setting is missing or wrong."""

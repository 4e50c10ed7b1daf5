"""One id for each request, from Discord to the worker. What a member does is `interaction-…` or `message-…`, with
Discord's own number; the answer that comes of it `answer-ID-ATTEMPT`, which the worker is told too (`X-Request-ID`) and
logs as its `id`. Every line of the log has the id of what it belongs to, and one line, «queued answer-…», has both."""

from __future__ import annotations

import logging
import uuid
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin(request_id: str) -> None:
    """From here on this task, and those that it starts, work on this request."""
    _current.set(request_id)


def current() -> str | None:
    """What this task works on."""
    return _current.get()


def of_answer(answer_id: int, attempt: int) -> str:
    """The id of one attempt at an answer."""
    return f"answer-{answer_id}-{attempt}"


def aside(purpose: str) -> str:
    """The id of what the worker is asked beside the answer: a title, a summary."""
    return f"{_current.get() or uuid.uuid4().hex[:12]}-{purpose}"


class RequestIdFilter(logging.Filter):
    """Puts the id into every record that passes: `request` for JSON, `where` for people."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Nothing is held back."""
        request_id = _current.get()
        record.request = request_id
        record.where = f" [{request_id}]" if request_id else ""
        return True


def label_log_lines() -> None:
    """Have all that is logged from now on carry its id."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(RequestIdFilter())

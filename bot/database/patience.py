"""What to do while the database is away, or breaks a connection off: wait, and do it again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

STEP_PATIENCE = 15.0
"""Seconds for a step of an answer that is being written; after that the answer goes back to the queue."""
EVENT_PATIENCE = 300.0
"""Seconds for what Discord tells once."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


def may_pass(error: BaseException) -> bool:
    """Whether an error lies with the database's state just now, not with what was asked of it: a connection that broke,
    a server that is starting, a lock held for too long, a full disk."""
    if isinstance(error, DBAPIError):
        return not isinstance(error, (DataError, IntegrityError, NotSupportedError, ProgrammingError))
    return isinstance(error, OSError)  # TimeoutError is one


async def persist(
    step: Callable[[], Awaitable[T]], seconds: float, passes: Callable[[BaseException], bool] = may_pass
) -> T:
    """Carry a step out, again and again for so many seconds while it fails of what may pass. The step bears being
    repeated: whether a commit whose connection broke was kept, nobody knows.

    Raises:
        Exception: the step's own, at the end of the patience, or at once where it does not pass.
    """
    until = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return await step()
        except Exception as error:
            if time.monotonic() + pause > until or not passes(error):
                raise
            log.warning("the database failed; trying again: %s", _in_a_line(error))
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def persisting(seconds: float) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Decorate a coroutine function that bears being repeated: see `persist`."""

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(function)
        async def persistent(*arguments: P.args, **options: P.kwargs) -> T:
            return await persist(lambda: function(*arguments, **options), seconds)

        return persistent

    return decorate


def connecting(connect: Callable[..., Awaitable[T]], seconds: float) -> Callable[..., Awaitable[T]]:
    """Connect to a server that may be just starting or restarting; wrong names and passwords fail at once. `connect`
    is asyncpg's."""

    def passes(error: BaseException) -> bool:
        # 08: the connection failed; 53300: too many; 57P: the server ends, or does not take connections yet.
        state = str(getattr(error, "sqlstate", None) or "")
        return state.startswith(("08", "53300", "57P")) or isinstance(error, OSError)

    async def patiently(*arguments: Any, **options: Any) -> T:
        return await persist(lambda: connect(*arguments, **options), seconds, passes)

    return patiently


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]

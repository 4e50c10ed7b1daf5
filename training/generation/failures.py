"""What a failed call means: try again, ask differently, give this call up, or stop altogether."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import aiohttp
import openai

from model.wikipedia.client import retry_after

_OVERLOADED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_GIVEN_UP = frozenset({408, 504, 524})
"""Those with which a gateway stops waiting for a model that may still be at work, and charge for it."""
_HOPELESS = frozenset({401, 402, 403, 404})
_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class Verdict(Enum):
    """What to do after a call that failed."""

    AGAIN = auto()
    GIVE_UP = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """`lost`: no answer of the model came, so the server may have done the work and charge for it."""

    verdict: Verdict
    why: str
    pause: float | None = None
    """Seconds for which the server asks to be left alone."""
    lost: bool = False


def judge(error: openai.APIError) -> Failure:
    """What has to be done after this error."""
    if isinstance(error, openai.APIStatusError):
        return _judge_status(error)
    if isinstance(error, openai.APIConnectionError):
        # The client calls every failed connection a time-out; one that was never made carried no request.
        causes = list(_causes(error))
        never = [each for each in causes if isinstance(each, _NEVER_CONNECTED)]
        why = str((never or causes[:1] or [error])[0]) or "no answer in time"
        return Failure(Verdict.AGAIN, why, lost=not never)
    return Failure(Verdict.AGAIN, f"the answer could not be read: {error.message}", lost=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


def _judge_status(error: openai.APIStatusError) -> Failure:
    why = f"{error.status_code} {error.message}"
    if error.status_code in _HOPELESS or (error.status_code == 429 and error.code in _NO_CREDIT):
        return Failure(Verdict.STOP, why)
    if error.status_code in _OVERLOADED or error.status_code >= 500:
        lost = error.status_code in _GIVEN_UP
        return Failure(Verdict.AGAIN, why, pause=_retry_after(error), lost=lost)
    return Failure(Verdict.GIVE_UP, why)


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds of `Retry-After`, or of OpenAI's own header in milliseconds."""
    headers = error.response.headers
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        return retry_after(headers.get("retry-after"))

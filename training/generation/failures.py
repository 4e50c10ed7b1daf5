"""What a failed call means: try again, ask differently, give this call up, or stop altogether."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import openai

from model.wikipedia.client import retry_after

_OVERLOADED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_HOPELESS = frozenset({401, 402, 403, 404})
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class Verdict(Enum):
    """What to do after a call that failed."""

    AGAIN = auto()
    GIVE_UP = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """`lost`: no answer came, so the server may have done the work and charge for it."""

    verdict: Verdict
    why: str
    pause: float | None = None
    """Seconds for which the server asks to be left alone."""
    lost: bool = False


def judge(error: openai.APIError) -> Failure:
    """What has to be done after this error."""
    if isinstance(error, openai.APIStatusError):
        return _judge_status(error)
    if isinstance(error, openai.APITimeoutError):
        return Failure(Verdict.AGAIN, "no answer in time", lost=True)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        # A connection that was never made carried no request.
        never_sent = "connect" in type(cause).__name__.casefold()
        return Failure(Verdict.AGAIN, str(cause or error), lost=not never_sent)
    return Failure(Verdict.AGAIN, f"the answer could not be read: {error.message}", lost=True)


def _judge_status(error: openai.APIStatusError) -> Failure:
    why = f"{error.status_code} {error.message}"
    if error.status_code in _HOPELESS or (error.status_code == 429 and error.code in _NO_CREDIT):
        return Failure(Verdict.STOP, why)
    if error.status_code in _OVERLOADED or error.status_code >= 500:
        return Failure(Verdict.AGAIN, why, pause=_retry_after(error))
    return Failure(Verdict.GIVE_UP, why)


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds of `Retry-After`, or of OpenAI's own header in milliseconds."""
    headers = error.response.headers
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        return retry_after(headers.get("retry-after"))

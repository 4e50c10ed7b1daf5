"""What Discord says about rate limits in the headers of its answers.

Source: https://discord.com/developers/docs/topics/rate-limits. Reading only; `bot.text.pacing` draws the conclusions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The state of one bucket, as of the answer that told it.

    `remaining` requests of `limit` may be sent until it is refilled in `reset_after` seconds. `retry_after` (seconds)
    is there only where the request was refused; then `everywhere` says that no request at all may be sent till then,
    and `shared` that others used the limit up, so that it is no fault of ours.
    """

    bucket: str
    limit: int
    remaining: int
    reset_after: float
    retry_after: float | None = None
    everywhere: bool = False
    shared: bool = False


def parse_rate_limit_headers(headers: Mapping[str, str]) -> RateLimit | None:
    """The rate limit in an answer's headers (names in any case); None where there is none or it makes no sense.

    `Retry-After` without a bucket is a refusal before the API proper (Cloudflare's) and holds everywhere.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    limit = _number(lower.get("x-ratelimit-limit"))
    remaining = _number(lower.get("x-ratelimit-remaining"))
    reset_after = _number(lower.get("x-ratelimit-reset-after"))
    retry_after = _number(lower.get("retry-after"))
    known = limit is not None and remaining is not None and reset_after is not None
    if not known and retry_after is None:
        return None
    scope = lower.get("x-ratelimit-scope", "").lower()
    return RateLimit(
        bucket=lower.get("x-ratelimit-bucket", ""),
        limit=int(limit or 0),
        remaining=int(remaining or 0),
        reset_after=reset_after if reset_after is not None else retry_after or 0.0,
        retry_after=retry_after,
        everywhere=retry_after is not None
        and (
            scope == "global" or lower.get("x-ratelimit-global", "").lower() == "true" or not (known or scope)
        ),
        shared=scope == "shared",
    )


def _number(text: str | None) -> float | None:
    """A finite number that is not negative."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None

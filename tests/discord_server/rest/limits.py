"""Rate limits as Discord states them in headers and 429 answers (Topics, "Rate Limits").

Discord does not publish the numbers, so those here are defaults near what bots have seen; tests set their
own. Windows are fixed: they open with the first request and empty when their time is over.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

from ..clock import Clock
from ..errors import ApiError, Json

VIA = "1.1 google"
INVALID_STATUSES = (401, 403, 429)

_DEFAULTS = {
    "default": (50, 1.0),
    "message-create": (5, 5.0),
    "message-edit": (5, 5.0),
    "message-delete": (5, 1.0),
    "messages-read": (10, 5.0),
    "reactions": (1, 0.25),
    "typing": (5, 5.0),
    "channel-edit": (5, 15.0),
    "thread-create": (5, 5.0),
    "webhook": (5, 2.0),
}


@dataclass
class Window:
    """So many requests until `ends`."""

    limit: int
    seconds: float
    remaining: int = 0
    ends: float = 0.0

    def take(self, now: float) -> float:
        """Use one; returns 0, or the seconds to wait where none is left."""
        if now >= self.ends:
            self.ends, self.remaining = now + self.seconds, self.limit
        self.remaining = min(self.remaining, self.limit)
        if self.remaining <= 0:
            return self.ends - now
        self.remaining -= 1
        return 0.0


@dataclass
class Limits:
    """All limits of the application. Pass a request through `enter`, and its status to `count_invalid`."""

    clock: Clock
    buckets: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(_DEFAULTS))
    global_limit: int = 50
    # Edits of messages older than an hour, per channel.
    old_edits: tuple[int, float] = (3, 20.0)
    # Changes of a channel's name or topic, per channel.
    renames: tuple[int, float] = (2, 600.0)
    invalid_limit: int = 10_000
    invalid: int = 0
    enabled: bool = True
    _windows: dict[str, Window] = field(default_factory=dict)
    _global: Window = field(default_factory=lambda: Window(50, 1.0))
    _invalid_window: Window = field(default_factory=lambda: Window(10_000, 600.0))

    def set_bucket(self, name: str, limit: int, seconds: float) -> None:
        """Raises KeyError for a name that is not in the table."""
        if name not in _DEFAULTS:
            raise KeyError(f"no rate limit {name!r}, only {', '.join(_DEFAULTS)}")
        self.buckets[name] = (limit, seconds)
        self._windows = {key: w for key, w in self._windows.items() if not key.startswith(f"{name}:")}

    def enter(self, bucket: str | None, major: str, *, counts_globally: bool) -> dict[str, str]:
        """Count a request. Returns the headers of its answer; raises ApiError 429."""
        if not self.enabled or bucket is None:
            return {}
        now = self.clock.running()
        if counts_globally:
            self._global.limit = self.global_limit
            wait = self._global.take(now)
            if wait:
                raise too_many(wait, scope="global")
        window = self._window(f"{bucket}:{major}", *self.buckets[bucket])
        wait = window.take(now)
        headers = self._headers(bucket, window, now)
        if wait:
            raise too_many(wait, scope="user", headers=headers)
        return headers

    def enter_old_edit(self, channel_id: int) -> None:
        """An edit of a message over an hour old. Raises ApiError 429 with code 30046."""
        text = "Maximum number of edits to messages older than 1 hour reached. Try again later"
        self._enter_sub_limit(f"old-edit:{channel_id}", self.old_edits, 30046, text)

    def enter_rename(self, channel_id: int) -> None:
        """A change of a channel's name or topic. Raises ApiError 429 with code 20028."""
        text = "The write action you are performing on the channel has hit the write rate limit."
        self._enter_sub_limit(f"rename:{channel_id}", self.renames, 20028, text)

    def count_invalid(self, status: int, *, shared: bool) -> None:
        """401, 403 and 429 count towards a ban, 429 of a shared limit do not."""
        if status not in INVALID_STATUSES or (status == 429 and shared):
            return
        self.invalid += 1
        self._invalid_window.limit = self.invalid_limit
        self._invalid_window.take(self.clock.running())

    def banned_for(self) -> float:
        """Seconds for which every request is turned away; 0 when there is no ban."""
        window = self._invalid_window
        left = window.ends - self.clock.running()
        return left if left > 0 and window.remaining <= 0 else 0.0

    def _enter_sub_limit(self, key: str, numbers: tuple[int, float], code: int, text: str) -> None:
        if not self.enabled:
            return
        wait = self._window(key, *numbers).take(self.clock.running())
        if wait:
            raise too_many(wait, scope="user", code=code, message=text)

    def _window(self, key: str, limit: int, seconds: float) -> Window:
        window = self._windows.setdefault(key, Window(limit, seconds))
        window.limit, window.seconds = limit, seconds
        return window

    def _headers(self, bucket: str, window: Window, now: float) -> dict[str, str]:
        left = max(0.0, window.ends - now)
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.remaining),
            "X-RateLimit-Reset": f"{self.clock.now() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(bucket.encode()).hexdigest()[:32],
        }


def too_many(
    wait: float,
    *,
    scope: str,
    headers: dict[str, str] | None = None,
    code: int | None = None,
    message: str = "You are being rate limited.",
) -> ApiError:
    """A 429 with the headers and the body that Discord sends; `scope` is user, global or shared."""
    if scope == "shared":
        message = "The resource is being rate limited."
    # Rounded up, so that a client which waits exactly as long as told is let through.
    seconds = math.ceil(wait * 1000) / 1000
    own = {"Retry-After": str(math.ceil(wait)), "X-RateLimit-Scope": scope, **(headers or {})}
    if scope == "global":
        own["X-RateLimit-Global"] = "true"
    error = ApiError(429, code or 0, message, headers=own)
    body: Json = {"message": message, "retry_after": seconds, "global": scope == "global"}
    error.body = body if code is None else {**body, "code": code}
    return error

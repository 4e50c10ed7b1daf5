"""Server time and the ids made from it.

The clock runs with the machine's until a test moves it on (`advance`) or stops it (`freeze`). Ids follow
Discord's snowflake format (API Reference, "Snowflakes"): milliseconds since 2015 in the upper 42 bits.
"""

from __future__ import annotations

import datetime
import time

DISCORD_EPOCH_MS = 1_420_070_400_000


class Clock:
    """Seconds since 1970 as the server sees them: the machine's clock plus what tests have added."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset
        self._frozen_at: float | None = None

    def now(self) -> float:
        if self._frozen_at is not None:
            return self._frozen_at
        return time.time() + self.offset

    def running(self) -> float:
        """Seconds for measuring spans: moved on by `advance`, never stopped by `freeze`, never backwards."""
        return time.monotonic() + self.offset

    def advance(self, seconds: float) -> None:
        """Raises ValueError for a negative number: ids and time stamps must not run backwards."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self.offset += seconds
        if self._frozen_at is not None:
            self._frozen_at += seconds

    def freeze(self) -> None:
        self._frozen_at = self.now()

    def resume(self) -> None:
        """Let time run again from where it stood."""
        if self._frozen_at is not None:
            self.offset = self._frozen_at - time.time()
            self._frozen_at = None


class Snowflakes:
    """Ids that only grow; each has a millisecond of its own, so guilds spread evenly over shards."""

    def __init__(self, clock: Clock, last: int = 0) -> None:
        self._clock = clock
        self.last = last

    def next(self) -> int:
        milliseconds = int(self._clock.now() * 1000) - DISCORD_EPOCH_MS
        self.last = max(milliseconds, (self.last >> 22) + 1) << 22
        return self.last


def isoformat(timestamp: float) -> str:
    """ISO 8601 in UTC with microseconds, as Discord writes dates."""
    moment = datetime.datetime.fromtimestamp(timestamp, datetime.UTC)
    return moment.isoformat(timespec="microseconds")

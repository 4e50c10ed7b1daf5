"""When the messages of streaming answers may be sent and edited: a state machine without a clock of its own.

One `Budget` for the process keeps all requests under Discord's global limit and knows every bucket's state; one
`Pacer` for each answer decides whether its text should be shown now. First and final texts go before middle ones.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import TypeAlias

from bot.text.rate_limit import RateLimit, parse_rate_limit_headers

__all__ = ["Action", "Budget", "Decision", "Pacer", "RateLimit", "parse_rate_limit_headers"]

_WINDOW = 1.0  # seconds over which requests are counted
# Of the requests in a window, middle edits may take this share; the rest is for first and final texts.
_MIDDLE_SHARE = 0.8
# The share that the spacing of the live answers aims at: below the one above, so that bunched edits spread out.
_AIM = 0.7
# A first text shorter than this many UTF-8 bytes (a few words, half a dozen CJK letters) waits for more to come,
_FIRST_BYTES = 20
# but for no more than this many seconds.
_FIRST_WAIT = 0.1
# After a refusal everywhere the rate is halved, and grows again by this share of the full one in a second.
_RECOVERY = 0.1
# A bucket that refused this often in `_FORGIVEN` seconds gets no middle edits any more, only the final text.
_STRIKES = 3
_FORGIVEN = 60.0
# Who stands in the queue asks again within a second, or has gone away without a word.
_GONE = 5.0
_SOON = 0.001
_MANY_BUCKETS = 4096


class Action(enum.Enum):
    """What to do about an answer's text now."""

    WAIT = enum.auto()
    FIRST = enum.auto()
    MIDDLE = enum.auto()
    FINAL = enum.auto()
    DONE = enum.auto()  # the final text is shown already


@dataclass(frozen=True, slots=True)
class Decision:
    """`at` is the time to ask again if it is to wait, sooner if the text has grown; infinity: only if it has grown."""

    action: Action
    at: float

    @property
    def send(self) -> bool:
        """Whether to show the text now. The requests are counted already."""
        return self.action in (Action.FIRST, Action.MIDDLE, Action.FINAL)


@dataclass(slots=True)
class _Bucket:
    """What is known of a rate-limit bucket. Times are the caller's clock, in seconds."""

    remaining: int = 1
    reset_at: float = -math.inf
    spacing: float = 0.0
    blocked_until: float = -math.inf
    strikes: int = 0
    last_strike: float = -math.inf

    def observe(self, limit: RateLimit, now: float) -> None:
        if limit.retry_after is not None:
            self.blocked_until = max(self.blocked_until, now + limit.retry_after)
            if not limit.shared:
                self.strikes = self.strikes_at(now) + 1
                self.last_strike = now
            return
        self.remaining = limit.remaining
        self.reset_at = now + limit.reset_after
        # One of the remaining is kept for the final text.
        self.spacing = limit.reset_after / max(1, limit.remaining - 1)

    def strikes_at(self, now: float) -> int:
        return self.strikes if now - self.last_strike < _FORGIVEN else 0

    def free_at(self, now: float, spare: int) -> float:
        """When a request may be sent that leaves `spare` more."""
        reset = self.reset_at if now < self.reset_at and self.remaining <= spare else now
        return max(reset, self.blocked_until, now)

    def spacing_at(self, now: float) -> float:
        strikes = self.strikes_at(now)
        if strikes >= _STRIKES:
            return math.inf
        return (self.spacing if now < self.reset_at else 0.0) * float(1 << strikes)

    def idle(self, now: float) -> bool:
        return now >= max(self.reset_at, self.blocked_until) and not self.strikes_at(now)


_Queue: TypeAlias = "dict[Pacer, tuple[int, float]]"


class Budget:
    """The requests that all answers of the process share.

    At most `rate` of them (and of those told by `spend`) are allowed in any second. What is sent later than it was
    allowed counts from then, where that is told (`sent`). `floor` is the least time in seconds between two edits of
    one answer; it widens with the number of live answers and with what Discord's headers say. All times are seconds of
    one clock that never goes back (`loop.time()`).
    """

    def __init__(self, rate: int = 40, *, floor: float = 0.7) -> None:
        self._rate = rate
        self.floor = floor
        self._live: set[Pacer] = set()
        self._sent: deque[float] = deque()
        # Those that were allowed and are not on their way yet: a busy process sends them later.
        self._allowed_at: deque[float] = deque()
        # Who waits, in order: their requests, and when they last asked.
        self._urgent: _Queue = {}
        self._middle: _Queue = {}
        self._buckets: dict[str, _Bucket] = {}
        self._blocked_until = -math.inf
        self._reduced = float(rate)
        self._reduced_at = -math.inf

    @property
    def live(self) -> int:
        """The number of answers being written."""
        return len(self._live)

    def open(self, bucket: str) -> Pacer:
        """Pace one more answer. `bucket` is the name that `observe` will use for the edits of its messages: the
        channel's id, for Discord limits edits by channel."""
        pacer = Pacer(self, bucket)
        self._live.add(pacer)
        return pacer

    def spend(self, now: float, requests: int = 1) -> None:
        """Count requests that are sent without asking: typing, embeds, answers to commands."""
        self._forget(now)
        self._sent.extend([now] * requests)

    def sent(self, now: float) -> None:
        """A request that was allowed goes out only now: it counts from here on."""
        self._forget(now)
        if self._allowed_at:
            self._allowed_at.popleft()
        self._sent.append(now)

    def spare(self, now: float) -> bool:
        """Whether there is room for what nobody waits for: half of the rate is free, and no text stands in line."""
        self._forget(now)
        return (
            now >= self._blocked_until
            and self._counted() < self._allowed(now) / 2
            and not any(now - asked < _WINDOW for _, asked in self._urgent.values())
        )

    def observe(self, bucket: str, limit: RateLimit, now: float) -> None:
        """Take note of what the headers of an answer said."""
        if limit.everywhere and limit.retry_after is not None:
            self._reduced = max(1.0, self._allowed(now) / 2)
            self._blocked_until = max(self._blocked_until, now + limit.retry_after)
            self._reduced_at = self._blocked_until
            return
        if len(self._buckets) >= _MANY_BUCKETS:
            self._buckets = {name: known for name, known in self._buckets.items() if not known.idle(now)}
        self._buckets.setdefault(bucket, _Bucket()).observe(limit, now)

    def spacing(self, bucket: str, now: float) -> float:
        """Seconds to leave between two middle edits of an answer."""
        load = len(self._live) / (_AIM * self._allowed(now))
        known = self._buckets.get(bucket)
        return max(self.floor, load, known.spacing_at(now) if known else 0.0)

    def _allowed(self, now: float) -> float:
        """Requests allowed in a window, now."""
        return min(self._rate, self._reduced + max(0.0, now - self._reduced_at) * _RECOVERY * self._rate)

    def _forget(self, now: float) -> None:
        for times in (self._sent, self._allowed_at):
            while times and now - times[0] >= _WINDOW:
                times.popleft()

    def _counted(self) -> int:
        """The requests of the last second, sent and about to be."""
        return len(self._sent) + len(self._allowed_at)

    def _take(self, pacer: Pacer, requests: int, now: float, *, middle: bool) -> float:
        """Take requests for a text. Returns `now`, or the time to ask again where there is no room yet; the place in
        the queue is then kept."""
        known = self._buckets.get(pacer.bucket)
        free_at = max(self._blocked_until, known.free_at(now, 1 if middle else 0) if known else now)
        if free_at > now:
            return free_at
        allowed = int(self._allowed(now) * (_MIDDLE_SHARE if middle else 1)) or 1
        requests = min(requests, allowed)
        missing = self._missing(pacer, requests, allowed, now, middle=middle)
        if missing > 0:
            (self._middle if middle else self._urgent)[pacer] = (requests, now)
            counted = merge(self._sent, self._allowed_at)
            expires = next(islice(counted, missing - 1, None), now) + _WINDOW
            return max(expires, now + _SOON)
        self._leave(pacer)
        self._allowed_at.extend([now] * requests)
        if known is not None:
            known.remaining -= requests
        return now

    def _line_up(self, pacer: Pacer, requests: int, now: float) -> None:
        """Join the queue if there is one, for a first text that is about to be sent."""
        if self._missing(pacer, requests, int(self._allowed(now)), now, middle=False) > 0:
            self._urgent[pacer] = (requests, now)

    def _missing(self, pacer: Pacer, requests: int, allowed: int, now: float, *, middle: bool) -> int:
        """How many requests must leave the window before this one's turn comes."""
        self._forget(now)
        ahead = _ahead(self._urgent, pacer, now) + (_ahead(self._middle, pacer, now) if middle else 0)
        return self._counted() + ahead + requests - allowed

    def _leave(self, pacer: Pacer) -> None:
        self._urgent.pop(pacer, None)
        self._middle.pop(pacer, None)

    def _close(self, pacer: Pacer) -> None:
        self._live.discard(pacer)
        self._leave(pacer)

    def _reopen(self, pacer: Pacer) -> None:
        self._live.add(pacer)


def _ahead(queue: _Queue, pacer: Pacer, now: float) -> int:
    """The requests of those who stand before `pacer`, or of all where it does not stand in the queue."""
    ahead = 0
    for other, (requests, asked) in queue.items():
        if other is pacer:
            break
        if now - asked < _GONE:
            ahead += requests
    return ahead


@dataclass(eq=False, slots=True)
class Pacer:
    """Decides when one answer's text is shown. Made by `Budget.open`; close it when the answer ends without a final
    text, or it goes on counting as live."""

    budget: Budget = field(repr=False)
    bucket: str
    _shown: str | None = None
    _before: str | None = None
    _last: float = -math.inf
    _retry_at: float = -math.inf
    _began: float | None = None
    _closed: bool = False

    def due(
        self, now: float, text: str, *, finished: bool = False, redraw: bool = False, requests: int = 1
    ) -> Decision:
        """Whether to show `text` now, in that many requests.

        A decision to send takes it that the text is sent at once; say `failed` if it was not. The same text is never
        sent twice, but for a final one with `redraw`: a message that changes in more than its text (its buttons).
        """
        redraw = redraw and finished and not self._closed
        if not redraw and (text == self._shown or (self._shown is None and not text.strip())):
            if not finished:
                return Decision(Action.WAIT, math.inf)
            self.close()
            return Decision(Action.DONE, now)
        if now < self._retry_at:
            return Decision(Action.WAIT, self._retry_at)
        if finished:
            return self._ask(now, text, requests, Action.FINAL)
        return self._first(now, text, requests) if self._shown is None else self._next(now, text, requests)

    def ready_at(self, now: float, text: str) -> float:
        """When `text` may be shown, as far as this answer itself goes; infinity where there is nothing new in it.
        Takes nothing: what has to be done before a text is shown is done then, and `due` asked after that."""
        if text == self._shown or (self._shown is None and not text.strip()):
            return math.inf
        if self._shown is not None:
            return max(self._retry_at, self._last + self.budget.spacing(self.bucket, now))
        if self._began is None:
            self._began = now
        short = len(text.encode("utf-8", "surrogatepass")) < _FIRST_BYTES
        return max(self._retry_at, self._began + _FIRST_WAIT if short else now)

    def failed(self) -> None:
        """The text of the last decision did not get through, so it may be sent again, after the least spacing."""
        self._shown = self._before
        self._retry_at = self._last + self.budget.floor
        if self._closed:
            self._closed = False
            self.budget._reopen(self)

    def close(self) -> None:
        """The answer needs no more requests. May be called again."""
        self._closed = True
        self.budget._close(self)

    def _first(self, now: float, text: str, requests: int) -> Decision:
        if self._began is None:
            self._began = now
        ready_at = self._began + _FIRST_WAIT
        if now < ready_at and len(text.encode("utf-8", "surrogatepass")) < _FIRST_BYTES:
            self.budget._line_up(self, requests, now)
            return Decision(Action.WAIT, ready_at)
        return self._ask(now, text, requests, Action.FIRST)

    def _next(self, now: float, text: str, requests: int) -> Decision:
        earliest = self._last + self.budget.spacing(self.bucket, now)
        if now < earliest:
            return Decision(Action.WAIT, earliest)
        return self._ask(now, text, requests, Action.MIDDLE)

    def _ask(self, now: float, text: str, requests: int, action: Action) -> Decision:
        at = self.budget._take(self, requests, now, middle=action is Action.MIDDLE)
        if at > now:
            return Decision(Action.WAIT, at)
        self._before, self._shown, self._last = self._shown, text, now
        if action is Action.FINAL:
            self.close()
        return Decision(action, now)

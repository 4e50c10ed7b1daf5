"""What the worker's benchmark makes of its measurements: percentiles, medians, ratios and verdicts.

Arithmetic only. A ratio is always taken within one round, where both sides saw the same machine, and the median of
the rounds is what is stated.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which this share (0 to 1) lies, interpolated between neighbours; NaN where there is none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def known(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: when its pieces arrived, in seconds from the moment it was sent, and its tokens."""

    arrivals: tuple[float, ...]
    tokens: int

    @property
    def first(self) -> float:
        return self.arrivals[0] if self.arrivals else math.nan

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.arrivals, self.arrivals[1:], strict=False)]


@dataclass(frozen=True, slots=True)
class Round:
    """Some requests at once by one way of generating."""

    answers: tuple[Answered, ...]
    seconds: float
    """From the first request sent to the last answer ended."""

    @property
    def tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds


def one_after_the_other(alone: Sequence[Answered], seconds: float, streams: int) -> Round:
    """What as many requests at once meet where they are answered in turn, reckoned from those measured alone.

    `seconds`: that the requests measured took together. The throughput is that of one; each waits for those before.
    """
    each = seconds / len(alone)
    answers = []
    for number in range(streams):
        measured = alone[number % len(alone)]
        arrivals = tuple(number * each + arrival for arrival in measured.arrivals)
        answers.append(Answered(arrivals, measured.tokens))
    return Round(tuple(answers), each * streams)


@dataclass(slots=True)
class Figures:
    """One way of generating at one number of streams, over all rounds."""

    way: str
    streams: int
    rounds: list[Round] = field(default_factory=list)
    reckoned: bool = False
    """Whether it was not measured at this number of streams but follows from those alone."""

    @property
    def speeds(self) -> list[float]:
        return [each.tokens_per_second for each in self.rounds]

    def summary(self) -> dict[str, Any]:
        """As it goes into the JSON file; times in seconds."""
        answers = [answer for each in self.rounds for answer in each.answers]
        firsts = [answer.first for answer in answers if answer.arrivals]
        gaps = [gap for answer in answers for gap in answer.gaps]
        return {
            "way": self.way,
            "streams": self.streams,
            "reckoned": self.reckoned,
            "rounds": len(self.rounds),
            "tokens": sum(each.tokens for each in self.rounds),
            "tokens_per_second": spread(self.speeds),
            "ttft": {"p50": known(percentile(firsts, 0.5)), "p95": known(percentile(firsts, 0.95))},
            "inter_token": {"p50": known(percentile(gaps, 0.5)), "p95": known(percentile(gaps, 0.95))},
        }


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median, least and greatest; None of each where there is no value."""
    if not values:
        return {"median": None, "min": None, "max": None}
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(ours: Sequence[float], peers: Sequence[float]) -> list[float]:
    """Ours to the peer's, round by round. Rounds that one of the two lacks are left out."""
    return [mine / theirs for mine, theirs in zip(ours, peers, strict=False) if theirs > 0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, and what was measured."""

    target: str
    bound: float
    values: tuple[float, ...]
    """One for each round; none where it was not measured."""
    at_least: bool = True
    """Whether the bound is to be reached, or not to be exceeded."""

    @property
    def median(self) -> float:
        return statistics.median(self.values) if self.values else math.nan

    @property
    def met(self) -> bool | None:
        """None where it was not measured."""
        if not self.values:
            return None
        return self.median >= self.bound if self.at_least else self.median <= self.bound

    def line(self) -> str:
        """In words, for people."""
        sign = "≥" if self.at_least else "≤"
        word = {True: "met", False: "MISSED", None: "not measured"}[self.met]
        if self.met is None:
            return f"{word:>12}  {self.target}: wanted {sign} {self.bound:g}"
        low, high = min(self.values), max(self.values)
        return f"{word:>12}  {self.target}: {self.median:.3g} ({low:.3g} to {high:.3g}), wanted {sign} {self.bound:g}"

    def summary(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "bound": self.bound,
            "at_least": self.at_least,
            "met": self.met,
            **spread(self.values),
        }


def exit_status(verdicts: Iterable[Verdict], *, require: bool) -> int:
    """0, or 1 where every target is required and one was missed or not measured."""
    return int(require and any(verdict.met is not True for verdict in verdicts))

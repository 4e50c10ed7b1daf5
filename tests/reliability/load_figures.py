"""The figures of a load run, for people and for programs, and whether they are good enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from tests.benchmarks.figures import Verdict, known, percentile

FAIR = 1.5
"""A member's mean wait to the mean of all members'."""
SAMPLES = 3
"""Answers that each member must have had for that to be judged."""
WAIT_SECONDS = 1.0
"""Mean wait in the queue, below which there is nothing to be fair about."""
MEMORY_MB = 250
GROWTH_SHARE = 0.4
"""The last share of the run, in which every thread has been written in already and memory is to grow no more."""
GROWTH_MB = 1.0
"""A minute, in that share; judged where that is as long as `GROWTH_MINUTES`."""
GROWTH_MINUTES = 3.5
STANDING = 0.05
"""The bot's share of the time in which others had the cores, beyond which it is the machine that is measured: then
latencies are told, but not judged."""
FIRST_TEXT_SECONDS = 1.0
WHOLE_TEXT_SECONDS = 1.5
REFUSED_SECONDS = 1.0
"""From a message to the reply that there is no room, while others write too (95th percentile)."""
FLOOD_RATE = 10.0
"""People told a second, in a flood; Discord takes 50 requests a second, and answers are being shown as well."""
RECOVERED_SECONDS = 3.0


@dataclass(frozen=True)
class Turn:
    """An answered message and its stages, each as its time; seconds of one clock."""

    member: int
    sent: float
    queued: float
    claimed: float
    first_token: float
    first_text: float
    last_token: float
    whole: float

    @property
    def wait(self) -> float:
        """What the member waited for the first text."""
        return self.first_text - self.sent


STAGES = {
    "message taken": ("sent", "queued"),
    "wait in the queue": ("queued", "claimed"),
    "worker's first token": ("claimed", "first_token"),
    "first text shown": ("first_token", "first_text"),
    "whole text shown, after the last token": ("last_token", "whole"),
    "message to first text": ("sent", "first_text"),
    "message to whole answer": ("sent", "whole"),
}


@dataclass
class Flood:
    """More than the queue takes: what became of it. Times in seconds."""

    asked: int = 0
    answered: int = 0
    refused: int = 0
    refusals: list[float] = field(default_factory=list)
    """From single messages to the reply, while the queue was full."""
    flooded: int = 0
    """Refused of those that wrote at the same instant."""
    flood_seconds: float = 0.0
    """Until the last of them was told."""
    recovered: float = float("inf")
    """From a message to its first text, once all that was taken is answered."""


@dataclass
class Report:
    """What was measured. `turns` are those after the warm-up."""

    options: dict[str, Any]
    turns: list[Turn]
    asked: int
    seconds: float
    problems: list[str]
    flood: Flood
    requests: int
    too_many: Mapping[str, int]
    memory_peak: float
    memory_growth: float
    cpu: dict[str, float]
    standing: float | None
    load: Sequence[float]
    late: Sequence[float]

    @property
    def waits(self) -> dict[int, list[float]]:
        """Member → what they waited."""
        found = defaultdict[int, list[float]](list)
        for turn in self.turns:
            found[turn.member].append(turn.wait)
        return found

    @property
    def unfairness(self) -> float:
        """The longest mean wait of a member to the mean of the members' means."""
        means = [mean(waits) for waits in self.waits.values()]
        return max(means) / mean(means) if means else float("nan")

    @property
    def fewest(self) -> int:
        """Answers of the member who had the fewest."""
        waits = self.waits
        return min((len(waits.get(n, ())) for n in range(self.options["members"])), default=0)

    def stage(self, name: str) -> list[float]:
        """Seconds that a stage took, by answer."""
        start, end = STAGES[name]
        return [getattr(turn, end) - getattr(turn, start) for turn in self.turns]

    @property
    def verdicts(self) -> list[Verdict]:
        """The targets."""
        flood = self.flood
        lost = flood.asked - flood.answered - flood.refused
        found = [
            _most("lost, doubled or stuck", 0, len(self.problems)),
            Verdict("answers of each member", SAMPLES, (self.fewest,)),
            Verdict(
                "mean wait in the queue, in seconds", WAIT_SECONDS, _mean(self.stage("wait in the queue"))
            ),
            _most("longest mean wait of a member to the mean", FAIR, self.unfairness),
            _most("the bot's memory at its peak, in MB", MEMORY_MB, self.memory_peak),
            _most("neither answered nor refused, of too many", 0, lost),
            Verdict("refused, of too many", 1, (flood.refused,)),
        ]
        if not self.starved:
            found += self._latencies()
        if self.seconds * GROWTH_SHARE >= GROWTH_MINUTES * 60:
            found.append(
                _most("growth of the bot's memory at the end, in MB a minute", GROWTH_MB, self.memory_growth)
            )
        return found

    @property
    def starved(self) -> bool:
        """Whether other programs kept the bot from the cores, so that its latencies say nothing of it."""
        return (self.standing or 0.0) > STANDING

    def _latencies(self) -> list[Verdict]:
        flood = self.flood
        told = flood.flooded / flood.flood_seconds if flood.flood_seconds else 0.0
        first, whole = self.stage("first text shown"), self.stage("whole text shown, after the last token")
        return [
            _most(
                "p95 of the first text after the first token, in seconds",
                FIRST_TEXT_SECONDS,
                percentile(first, 0.95),
            ),
            _most(
                "p95 of the whole text after the last token, in seconds",
                WHOLE_TEXT_SECONDS,
                percentile(whole, 0.95),
            ),
            _most("p95 of a refusal, in seconds", REFUSED_SECONDS, percentile(flood.refusals, 0.95)),
            Verdict("told a second, of too many at one instant", FLOOD_RATE, (told,)),
            _most("first text once the queue is empty, in seconds", RECOVERED_SECONDS, flood.recovered),
            _most("429 answers", 0, sum(self.too_many.values())),
        ]

    def document(self) -> dict[str, Any]:
        """All of it, for programs. Times in seconds."""
        flood = {name: value for name, value in vars(self.flood).items() if name != "refusals"}
        return {
            "options": self.options,
            "asked": self.asked,
            "answered_after_warm_up": len(self.turns),
            "seconds_after_warm_up": self.seconds,
            "stages": {name: _summary(self.stage(name)) for name in STAGES},
            "longest_mean_wait_to_mean": known(self.unfairness),
            "fewest_answers_of_a_member": self.fewest,
            "memory_mb_peak": self.memory_peak,
            "memory_mb_a_minute_at_the_end": self.memory_growth,
            "requests": self.requests,
            "cores": self.cpu,
            "stood_in_line_for_a_core": self.standing,
            "too_busy_to_judge_latencies": self.starved,
            "too_many_requests": dict(self.too_many),
            "load_average": _summary(self.load),
            "woke_late": _summary(self.late),
            "flood": {**flood, "refusal": _summary(self.flood.refusals)},
            "problems": self.problems,
            "verdicts": [verdict.summary() for verdict in self.verdicts],
        }

    def text(self) -> str:
        """All of it, for people."""
        flood = self.flood
        head = (
            f"{len(self.turns)} answers in {self.seconds:.0f} s after the warm-up, "
            f"{self.fewest} or more a member"
        )
        flooded = (
            f"{flood.asked} messages more: {flood.answered} answered, {flood.refused} refused; "
            f"{flood.flooded} at one instant were all told within {flood.flood_seconds:.1f} s"
        )
        memory = f"{self.memory_peak:.0f} MB at its peak, {self.memory_growth:+.2f} MB a minute at the end"
        cores = ", ".join(f"{name} {share:.2f}" for name, share in self.cpu.items())
        load = f"{percentile(self.load, 0.5):.1f}, at most {max(self.load):.1f}"
        too_many = sum(self.too_many.values())
        late = f"{percentile(self.late, 0.95) * 1000:.0f} ms"
        lines = [
            head,
            "",
            f"{'seconds':<40}{'p50':>8}{'p95':>8}{'greatest':>10}",
            *(_line(name, self.stage(name)) for name in STAGES),
            _line("refusal by a full queue", flood.refusals),
            "",
            flooded,
            f"memory of the bot: {memory}",
            f"cores: {cores}; load average {load}; this process woke {late} late (p95)",
            f"{self.requests} requests to Discord while they wrote, {too_many} answers of 429 in all",
            *(f"    {count} to {asked}" for asked, count in self.too_many.items()),
            "",
            *self._starvation(),
            *(verdict.line() for verdict in self.verdicts),
            *self.problems[:20],
        ]
        return "\n".join(lines)

    def _starvation(self) -> list[str]:
        if not self.starved:
            return []
        share = f"{100 * (self.standing or 0.0):.0f} %"
        return [
            f"for {share} of the time others had the cores that the bot needed: latencies are not judged",
            "",
        ]


def _most(target: str, bound: float, value: float) -> Verdict:
    return Verdict(target, bound, (value,), at_least=False)


def _mean(values: Sequence[float]) -> tuple[float, ...]:
    return (mean(values),) if values else ()


def _summary(values: Iterable[float]) -> dict[str, float | None]:
    listed = list(values)
    return {
        "p50": known(percentile(listed, 0.5)),
        "p95": known(percentile(listed, 0.95)),
        "greatest": max(listed, default=None),
    }


def _line(name: str, values: Sequence[float]) -> str:
    shares = (percentile(values, 0.5), percentile(values, 0.95), max(values, default=float("nan")))
    return f"{name:<40}{shares[0]:>8.2f}{shares[1]:>8.2f}{shares[2]:>10.2f}"

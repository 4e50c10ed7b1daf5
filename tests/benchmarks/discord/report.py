"""The figures of a run, for people and for programs, and whether they are good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.benchmarks.discord import llmcord
from tests.benchmarks.discord.measured import (
    Answer,
    answers,
    gaps,
    most_in_a_second,
    token_times,
    unchanged_edits,
)
from tests.benchmarks.discord.play import Load, Run
from tests.benchmarks.figures import Verdict, percentile

FIRST_TEXT_SECONDS = 0.3
MEMORY_MB = 250
REQUESTS_PER_SECOND = 49
"""Discord's limit on all requests is 50; the bot's own aim is 40."""


@dataclass(frozen=True)
class Shown:
    """How answers were shown: seconds from the worker's first token to the first text, seconds between changes, and
    changes an answer."""

    first: tuple[float, ...]
    between: tuple[float, ...]
    changes: float

    def summary(self) -> dict[str, float]:
        """Percentiles, in seconds."""
        return {
            "first_p50": percentile(self.first, 0.5),
            "first_p95": percentile(self.first, 0.95),
            "first_max": max(self.first),
            "between_p50": percentile(self.between, 0.5),
            "between_p95": percentile(self.between, 0.95),
            "between_max": max(self.between, default=0.0),
            "changes": self.changes,
        }


@dataclass(frozen=True)
class Found:
    """What a run came to."""

    answers: list[Answer]
    bot: Shown
    llmcord: Shown
    requests: int
    most: int
    refused: int
    unchanged: int
    memory_mb: float
    cores: float

    @property
    def verdicts(self) -> list[Verdict]:
        """The targets."""
        lost = sum(not answer.whole for answer in self.answers)
        first = percentile(self.bot.first, 0.95)
        return [
            Verdict("answers that do not stand whole in their threads", 0, (lost,), at_least=False),
            Verdict(
                "p95 of the first text after the worker's first token, in seconds",
                FIRST_TEXT_SECONDS,
                (first,),
                at_least=False,
            ),
            Verdict("429 answers", 0, (self.refused,), at_least=False),
            Verdict("requests within one second", REQUESTS_PER_SECOND, (self.most,), at_least=False),
            Verdict("edits that changed nothing", 0, (self.unchanged,), at_least=False),
            Verdict("the bot's memory at its peak, in MB", MEMORY_MB, (self.memory_mb,), at_least=False),
        ]


def judge(load: Load, run: Run) -> Found:
    """The figures of a run."""
    times = token_times(run.token_log, load.threads)
    found = answers(run.records, times, run.threads, load.tokens)
    theirs = llmcord.shown_at(times)
    return Found(
        answers=found,
        bot=_shown({answer.number: answer.shown_at for answer in found}, times),
        llmcord=_shown(theirs, times),
        requests=len(run.records),
        most=most_in_a_second(run.records),
        refused=sum(record["status"] == 429 for record in run.records),
        unchanged=unchanged_edits(run.records),
        memory_mb=run.memory / 1e6,
        cores=run.cpu / run.seconds,
    )


def _shown(shown: Any, times: Any) -> Shown:
    first = [
        each[0] - times[number][0] if each and times[number] else float("inf")
        for number, each in shown.items()
    ]
    between = [gap for each in shown.values() for gap in gaps(each)]
    return Shown(tuple(first), tuple(between), sum(map(len, shown.values())) / len(shown))


def text(load: Load, found: Found, load_before: float) -> str:
    """All of it, for people."""
    ours, theirs = found.bot.summary(), found.llmcord.summary()
    ratios = " ".join(f"{_ratio(theirs, ours, f'between_{each}'):>7} ×" for each in ("p50", "p95", "max"))
    head = (
        f"{load.threads} threads, all written in within {load.ramp:g} s, answers of {load.tokens} tokens at "
        f"{load.rate:g} tokens/s; load of the machine before: {load_before:.1f}"
    )
    columns = ("", "first text after p50 p95 max", "between changes p50 p95 max", "changes")
    lines = [
        head,
        "",
        f"{columns[0]:<26}  {columns[1]:>32}  {columns[2]:>29}  {columns[3]:>8}",
        _line("this bot", ours),
        _line("llmcord's rule, simulated", theirs),
        f"{'llmcord / this bot':<26}  {'':>32}  {ratios:>29}",
        "",
        f"{found.requests} requests, at most {found.most} within a second; {found.cores:.2f} cores for the bot",
        "",
        *(verdict.line() for verdict in found.verdicts),
    ]
    return "\n".join(lines)


def _line(name: str, figures: dict[str, float]) -> str:
    first = " ".join(f"{figures[f'first_{each}'] * 1000:>7.0f} ms" for each in ("p50", "p95", "max"))
    between = " ".join(f"{figures[f'between_{each}']:>7.1f} s" for each in ("p50", "p95", "max"))
    return f"{name:<26}  {first:>32}  {between:>29}  {figures['changes']:>8.1f}"


def _ratio(theirs: dict[str, float], ours: dict[str, float], name: str) -> str:
    return f"{theirs[name] / ours[name]:.1f}" if ours[name] else "–"


def document(load: Load, found: Found, load_before: float) -> dict[str, Any]:
    """All of it, for programs. Times in seconds."""
    return {
        "options": vars(load),
        "load_before": load_before,
        "bot": found.bot.summary(),
        "llmcord_simulated": found.llmcord.summary(),
        "requests": found.requests,
        "requests_within_a_second": found.most,
        "cores": found.cores,
        "memory_mb": found.memory_mb,
        "verdicts": [verdict.summary() for verdict in found.verdicts],
    }

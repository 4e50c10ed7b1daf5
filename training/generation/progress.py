"""How far a run is: the counts of each stage, and the bars that show them.

On a terminal there is a bar for each stage; elsewhere a line now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from training.generation.stages import Stage

LINE_EVERY = 15.0
"""Seconds between two lines where there is no terminal."""


@dataclass(slots=True)
class StageCount:
    """One stage: how much of it there is, and how much is done."""

    total: int = 0
    kept: set[str] = field(default_factory=set)
    """Slots that were done by an earlier run."""
    fresh: set[str] = field(default_factory=set)
    """Slots that were done by this run."""
    bad: Counter[str] = field(default_factory=Counter)
    begun_at: float | None = None
    ended_at: float = 0.0

    @property
    def done(self) -> int:
        return len(self.kept) + len(self.fresh)

    def rate(self, now: float) -> float:
        """Slots per second of this run, since the stage's first was done."""
        if self.begun_at is None or now <= self.begun_at:
            return 0.0
        return (len(self.fresh) - 1) / (now - self.begun_at)

    def seconds_left(self, now: float) -> float | None:
        """Until the stage is done, at the rate so far; None where nothing tells."""
        rate = self.rate(now)
        left = self.total - self.done
        return 0.0 if left <= 0 else left / rate if rate else None


class Tally:
    """Counts what is done, stage by stage."""

    def __init__(self, totals: Mapping[Stage, int], clock: Callable[[], float] = time.monotonic) -> None:
        self.stages = {stage: StageCount(total) for stage, total in totals.items()}
        self.retried = 0
        """Calls that were sent again after an error."""
        self._clock = clock
        self._began = clock()

    def done(self, stage: Stage, slot: str, *, fresh: bool) -> None:
        """A slot has its result; `fresh` if this run paid for it. The same slot counts once."""
        count = self.stages.setdefault(stage, StageCount())
        if slot in count.kept or slot in count.fresh:
            return
        (count.fresh if fresh else count.kept).add(slot)
        count.total = max(count.total, count.done)
        if fresh:
            count.ended_at = self._clock()
            count.begun_at = count.ended_at if count.begun_at is None else count.begun_at

    def bad(self, stage: Stage, kind: str) -> None:
        """A reply was unusable."""
        self.stages.setdefault(stage, StageCount()).bad[kind] += 1

    def adopt(self, totals: Mapping[Stage, int]) -> None:
        """Further work has become known."""
        for stage, total in totals.items():
            self.stages.setdefault(stage, StageCount()).total += total

    @property
    def now(self) -> float:
        return self._clock()

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self._clock() - self._began


class Progress:
    """Shows a tally, and one line of `status` (concurrency, cost) with it."""

    def __init__(self, tally: Tally, status: Callable[[], str], console: Console) -> None:
        self._tally = tally
        self._status = status
        self._console = console

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """While the block runs."""
        painter = asyncio.create_task(self._bars() if self._console.is_terminal else self._lines())
        try:
            yield
        finally:
            painter.cancel()
            await asyncio.gather(painter, return_exceptions=True)

    async def _bars(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            try:
                while True:
                    live.update(self.picture(), refresh=True)
                    await asyncio.sleep(0.25)
            finally:
                live.update(self.picture(), refresh=True)

    async def _lines(self) -> None:
        try:
            while True:
                await asyncio.sleep(LINE_EVERY)
                self._console.print(self.line(), highlight=False)
        finally:
            self._console.print(self.line(), highlight=False)

    def line(self) -> str:
        """All stages in one line of text."""
        parts = [
            f"{stage.words} {count.done}/{count.total}"
            for stage, count in self._tally.stages.items()
            if count.total
        ]
        return f"{clock(self._tally.seconds)}  {', '.join(parts)}; {self._status()}"

    def picture(self) -> Group:
        """The bars."""
        table = Table.grid(padding=(0, 2))
        now = self._tally.now
        for stage, count in self._tally.stages.items():
            if not count.total:
                continue
            left = count.seconds_left(now)
            # A finished stage keeps the rate it had.
            rate = count.rate(count.ended_at if left == 0 else now)
            table.add_row(
                stage.words,
                ProgressBar(total=count.total, completed=count.done, width=30),
                f"{count.done}/{count.total}",
                f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min" if rate else "",
                "" if left is None else "done" if left == 0 else f"{clock(left)} left",
                Text(f"{count.bad.total()} bad" if count.bad else "", style="yellow"),
            )
        return Group(table, Text(f"{clock(self._tally.seconds)}  {self._status()}", style="dim"))


def clock(seconds: float) -> str:
    """`1:02:03`, `2:03`."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

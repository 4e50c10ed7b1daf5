"""What the machine gives the load run, and what the bot takes: memory and CPU time, sampled while it runs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression

import psutil

_EVERY = 1.0
_NAP = 0.05


@dataclass
class Machine:
    """Sampled once a second until cancelled. `memory` is the bot's, in MB; `late` is by how many seconds this process
    woke up too late from a short sleep, for the tests' Discord is in it."""

    processes: Mapping[str, psutil.Process]
    memory: list[tuple[float, float]] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    cpu: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """When, and the seconds that each process and (`all`) the whole machine had computed by then."""
    queued: list[tuple[float, float]] = field(default_factory=list)
    """When, and the seconds for which the bot had stood in line for a core by then; nothing where that is not told."""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self.sample()
            until = time.monotonic() + _EVERY
            while (began := time.monotonic()) < until:
                await asyncio.sleep(_NAP)
                self.late.append(time.monotonic() - began - _NAP)

    def sample(self) -> None:
        """Now."""
        now = time.time()
        self.memory.append((now, self.processes["bot"].memory_info().rss / 1e6))
        self.load.append(os.getloadavg()[0])
        seconds = {name: sum(process.cpu_times()[:2]) for name, process in self.processes.items()}
        with suppress(OSError):
            stat = Path(f"/proc/{self.processes['bot'].pid}/schedstat").read_text(encoding="ascii")
            self.queued.append((now, int(stat.split()[1]) / 1e9))
        whole = psutil.cpu_times()
        idle = whole.idle + getattr(whole, "iowait", 0.0)
        self.cpu.append((now, {**seconds, "all": sum(whole[:8]) - idle}))

    def shares(self, since: float, until: float) -> dict[str, float]:
        """Cores that each took meanwhile, and `others` of which nothing is ours."""
        within = [sample for sample in self.cpu if since <= sample[0] <= until]
        if len(within) < 2:
            return {}
        (began, before), (ended, after) = within[0], within[-1]
        shares = {name: (after[name] - before[name]) / (ended - began) for name in after}
        whole = shares.pop("all")
        return {**shares, "others": max(0.0, whole - sum(shares.values()))}

    def standing(self, since: float, until: float) -> float | None:
        """The share of the time in which the bot could have gone on, but other programs had the cores."""
        within = [sample for sample in self.queued if since <= sample[0] <= until]
        if len(within) < 2:
            return None
        return (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])

    def growth(self, since: float, until: float) -> float:
        """MB a minute by which the bot's memory grew meanwhile: the slope of the line through the samples."""
        within = [(at, size) for at, size in self.memory if since <= at <= until]
        if len(within) < 2:
            return 0.0
        times, sizes = zip(*within, strict=True)
        return linear_regression(times, sizes).slope * 60

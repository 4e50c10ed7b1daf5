"""The machine that a benchmark ran on, as far as its figures depend on it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model.machine import usable_cores


@dataclass(slots=True)
class Machine:
    """What it is, and how busy it was: the load averages of one, five and fifteen minutes."""

    cpu: str
    cores: int
    threads: int
    """Of torch."""
    load_before: tuple[float, ...]
    load_after: tuple[float, ...] = ()

    @classmethod
    def now(cls) -> Machine:
        """At the beginning of a run."""
        import torch

        cores = usable_cores()
        return cls(_cpu(), cores, min(cores, torch.get_num_threads()), os.getloadavg())

    def end(self) -> None:
        """At the end of a run."""
        self.load_after = os.getloadavg()

    def line(self) -> str:
        """For people."""
        before, after = (load[0] if load else 0.0 for load in (self.load_before, self.load_after))
        return (
            f"{self.cpu}, {self.cores} cores, {self.threads} threads; load {before:.1f} before and {after:.1f} after; "
            f"torch {version('torch')}, transformers {version('transformers')}"
        )

    def summary(self) -> dict[str, Any]:
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "threads": self.threads,
            "load_before": self.load_before,
            "load_after": self.load_after,
            "python": platform.python_version(),
            "torch": version("torch"),
            "transformers": version("transformers"),
        }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

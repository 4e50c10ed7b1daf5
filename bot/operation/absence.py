"""That a training run has the machine, for those who wait meanwhile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Absence:
    """A training run is under way; `seconds` until it ends, where that is known."""

    seconds: float | None

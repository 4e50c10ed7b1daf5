"""What a run is told beside its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.finetuning.run_folder import RUNS

Method = Literal["sft", "kto"]


@dataclass(frozen=True, slots=True)
class Options:
    """Of these, only the data, the method and the adapter that it begins with shape the weights."""

    data: Path | None = None
    """A dataset with `splits/`; the shipped one where none is given."""
    languages: frozenset[str] | None = None
    """Train on these alone."""
    limit: int | None = None
    """Train on so many chats alone."""
    method: Method = "sft"
    rated: Path | None = None
    """For KTO: rated answers, see `training.finetuning.rated`."""
    adapter: Path | None = None
    """The adapter to begin with, in place of fresh layers; KTO needs one."""
    runs: Path = RUNS
    name: str | None = None
    """The run's; the recipe's where none is given."""
    restart: bool = False
    """Set an earlier run of this name aside."""
    backend: str = "auto"
    threads: int | None = None
    embedded_source: Path | None = None
    cache: Path | None = None
    quiet: bool = False

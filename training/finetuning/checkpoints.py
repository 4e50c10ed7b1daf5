"""Checkpoints: written beside their place, put there in one step, and only the useful ones kept.

A process that is killed at any moment leaves whole checkpoints alone (and at most a folder `.saving`, which
the next one removes). Kept are the last two, and the one with the lowest held-out loss.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

KEEP = 2
_STAGING = ".saving"
_STATE = "progress.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a checkpoint stands. `loss` is the held-out loss at its step, where one was measured there."""

    step: int
    loss: float | None
    best_step: int | None
    best_loss: float | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint."""

    path: Path
    progress: Progress


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a run."""

    folder: Path

    @property
    def staging(self) -> Path:
        """Where one is written before it is put to its place."""
        return self.folder / _STAGING

    def all(self) -> list[Checkpoint]:
        """The oldest first."""
        found = []
        for path in sorted(self.folder.glob("step-*")):
            try:
                fields = json.loads((path / _STATE).read_text(encoding="utf-8"))
                found.append(Checkpoint(path, Progress(**fields)))
            except (OSError, ValueError, TypeError):
                continue
        return found

    def latest(self) -> Checkpoint | None:
        """The one to go on from."""
        return next(reversed(self.all()), None)

    def best(self) -> Checkpoint | None:
        """The one with the lowest held-out loss; the latest where none was measured."""
        measured = [(each.progress.loss, each) for each in self.all() if each.progress.loss is not None]
        finite = [(loss, each) for loss, each in measured if math.isfinite(loss)]
        return min(finite, key=lambda pair: pair[0])[1] if finite else self.latest()

    def prepare(self) -> None:
        """Remove what a killed process left half written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.staging, ignore_errors=True)

    def commit(self, written: Path, progress: Progress) -> Checkpoint:
        """Put a checkpoint that was written below `staging` to its place, and drop those no longer needed."""
        (written / _STATE).write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
        sync(written)
        place = self.folder / f"step-{progress.step:06d}"
        shutil.rmtree(place, ignore_errors=True)
        written.rename(place)
        _sync_one(self.folder)
        shutil.rmtree(self.staging, ignore_errors=True)
        self._drop(progress.best_step)
        return Checkpoint(place, progress)

    def _drop(self, best_step: int | None) -> None:
        for each in self.all()[:-KEEP]:
            if each.progress.step != best_step:
                shutil.rmtree(each.path)


def sync(folder: Path) -> None:
    """Have everything below a folder on the disk, names included."""
    for path in sorted(folder.rglob("*")):
        _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        # Windows opens no folder.
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

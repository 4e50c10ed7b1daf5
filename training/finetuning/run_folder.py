"""The folder of a run: what was asked for, how far it is, and what came of it. One process tree has it.

run.json        what shapes the weights: recipe, data, base model, number of processes
metrics.jsonl   what happened, a line an event (`training.finetuning.metrics`)
checkpoints/    step-<number>/, to go on from (`training.finetuning.checkpoints`)
adapter/        the adapter, with all that it is shipped with
loss.png, loss-dark.png
manifest.json   written last: a run that has it is complete
before.1/ …     what earlier runs of the same name left, set aside by --restart
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.chats import explain, write_text
from training.earlier_runs import set_aside
from training.finetuning.errors import RecipeChanged, RunError
from training.finetuning.recipe import Recipe
from training.locking import FileHeld, lock

RUNS = Path("runs")
"""Where runs lie if nothing else is said; git ignores it."""

BEGUN_WITH = " with the adapter "
"""In `Asked.base`: the fingerprint of the adapter that the run begins with follows, where there is one."""


class Asked(BaseModel):
    """What shapes the weights of a run. Going on with another one would mix two runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    """`sft` or `kto`."""
    recipe: Recipe
    data: str
    """A hash over the chats that are trained and validated on."""
    base: str
    """Which weights, as `model.loading` gets them; with the adapter that the run begins with."""
    backend: str
    """`transformers` or `unsloth`."""
    processes: int
    """How many share the batches."""

    def differences(self, other: Asked) -> list[str]:
        """What is different in `other`, a line each."""
        lines = [
            f"{name}: {getattr(self, name)!r} before, {getattr(other, name)!r} now"
            for name in type(self).model_fields
            if name != "recipe" and getattr(self, name) != getattr(other, name)
        ]
        return (
            lines
            if self.recipe.digest == other.recipe.digest
            else [*self.recipe.differences(other.recipe), *lines]
        )


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def complete(self) -> bool:
        return self.manifest.is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while the block runs. Raises `RunError` where one is in."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with lock(self.path / ".lock"):
                yield
        except FileHeld as error:
            raise RunError(f"another process is at work in {self.path}") from error

    def asked(self) -> Asked | None:
        """What the folder's run was asked for; None for a new folder. Raises `RunError`."""
        path = self.path / "run.json"
        try:
            return Asked.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise RunError(f"{path} cannot be read: {explain(error)}") from error

    def adopt(self, asked: Asked, *, restart: bool) -> None:
        """Begin, or go on with, this run. Raises `RecipeChanged` where the folder's is another one."""
        before = self.asked()
        if before is None and any(path.name != ".lock" for path in self.path.iterdir()):
            raise RunError(f"{self.path} is no run of ours and not empty: choose another --name or --runs")
        changes = before.differences(asked) if before else []
        if changes and not restart:
            said = "\n  ".join(changes)
            raise RecipeChanged(
                f"{self.path} was begun otherwise:\n  {said}\n"
                "choose another --name, or --restart to set that run aside and begin anew"
            )
        if restart and before:
            set_aside(self.path)
        if restart or before is None:
            write_text(self.path / "run.json", asked.model_dump_json(indent=1) + "\n")

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write what the run was and what came of it; the last thing that a run does."""
        write_text(self.manifest, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")

    def read_manifest(self) -> dict[str, Any]:
        """Raises `RunError` where the run is not complete."""
        try:
            found: dict[str, Any] = json.loads(self.manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} is not a complete run: {error}") from error
        return found


def rank() -> int:
    """Which of the processes that `accelerate launch` started this is; 0 for one by itself."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """How many of them there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))

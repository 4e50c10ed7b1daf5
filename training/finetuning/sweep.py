"""Several runs of one recipe with other values in it, to see which serve it best. Each is a run like any other, by the
`finetune` command in a process of its own, so the same sweep goes on after a kill, and a run that is complete is kept.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from training.finetuning.comparison import RunSummary, differences, list_runs, overview
from training.finetuning.errors import RecipeError
from training.finetuning.recipe import load_recipe
from training.tables import Table

_LAST_WORDS = 5
"""Lines of what a failed run said."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a sweep: its name, and the values that are its own, as `key=value`."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that ended before it was complete, and its last words."""

    trial: Trial
    said: str


def trials(name: str, grid: Sequence[str], singles: Sequence[str]) -> list[Trial]:
    """`grid`: `key=value,value,…`, of which every combination is tried; `singles`: `key=value key=value …`, each a run.

    Raises `RecipeError` where there is nothing to try.
    """
    axes = []
    for line in grid:
        key, equals, values = line.partition("=")
        if not (key and equals and values):
            raise RecipeError(f"--try {line}: write KEY=VALUE,VALUE, as lora.rank=16,32")
        axes.append([f"{key}={value}" for value in values.split(",")])
    found = [tuple(each) for each in itertools.product(*axes)] if axes else []
    found += [tuple(line.split()) for line in singles]
    if not any(found):
        raise RecipeError("nothing to try: --try lora.rank=16,32 or --trial 'lora.rank=16 epochs=2'")
    return [Trial(f"{name}-{_slug(each)}", each) for each in dict.fromkeys(found)]


def _slug(overrides: Sequence[str]) -> str:
    """The values in a name of a folder: `rank16-learning_rate4e-4`."""
    short = [
        f"{key.rpartition('.')[2]}{value}" for key, _, value in (each.partition("=") for each in overrides)
    ]
    return re.sub(r"[^\w.-]+", "_", "-".join(short))


def check(recipe: str, common: Sequence[str], planned: Sequence[Trial]) -> None:
    """Find a value that the recipe does not take before anything is trained. Raises `RecipeError`."""
    for trial in planned:
        load_recipe(recipe, (*common, *trial.overrides))


async def sweep(
    planned: Sequence[Trial],
    command: Sequence[str],
    runs: Path,
    *,
    parallel: int,
    tell: Callable[[str, Trial], None] = lambda event, trial: None,
) -> list[Failure]:
    """Run all trials, so many at a time, and return those that failed.

    `command`: arguments of `finetune` that all have. What a run says goes into `NAME.log` in `runs`. `tell` gets
    `begun`, `done` or `failed`. Cancelled, it has the runs stop after their step, with a checkpoint.
    """
    slots = asyncio.Semaphore(parallel)

    async def one(trial: Trial) -> Failure | None:
        async with slots:
            tell("begun", trial)
            failure = await _run(trial, command, runs)
            tell("failed" if failure else "done", trial)
            return failure

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(trial)) for trial in planned]
    return [failure for task in tasks if (failure := task.result())]


async def _run(trial: Trial, command: Sequence[str], runs: Path) -> Failure | None:
    own = [part for override in trial.overrides for part in ("--set", override)]
    log = runs / f"{trial.name}.log"
    with _opened(log) as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "training", "finetune", *command, *own),
            *("--runs", str(runs), "--name", trial.name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # Ctrl-C is for the sweep, which tells each once.
            start_new_session=True,
        )
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
    return Failure(trial, _last_words(log)) if status else None


def _opened(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("wb")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LAST_WORDS:])


def ranking(planned: Sequence[Trial], runs: Path) -> list[RunSummary]:
    """The runs of these trials that have a held-out loss, the lowest first."""
    names = {trial.name for trial in planned}
    measured = [run for run in list_runs(runs, names) if run.best_loss is not None]
    return sorted(measured, key=lambda run: run.best_loss or 0.0)


def tables(ranked: Sequence[RunSummary]) -> list[Table]:
    """The runs in their order, and where they differ."""
    return [overview(ranked), *([differences(ranked)] if len(ranked) > 1 else [])]

"""What people see of a run: a line about what is trained, a bar with rate and time left, a line an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from training.finetuning.prepared import Prepared
from training.finetuning.run_folder import Asked, RunFolder


class Console:
    """Tells on stderr; `quiet` tells nothing. Where stderr is no terminal, lines take the place of the bar."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console as RichConsole

        self._console = RichConsole(stderr=True, quiet=quiet, highlight=False)
        self._progress: Any = None
        self._task: Any = None

    def say(self, line: str) -> None:
        """A line for people."""
        self._console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Something that takes a while, and nobody knows how long."""
        if self._console.is_terminal:
            with self._console.status(f"{what} …"):
                yield
        else:
            self.say(f"{what} …")
            yield

    def introduce(self, folder: RunFolder, asked: Asked, prepared: Prepared) -> None:
        """What is going to be trained, on what, and where it lies."""
        import torch

        self.say(f"run {folder.path}: recipe {asked.recipe.name}, base {asked.base}, by {asked.backend}")
        for key, (wanted, used) in asked.recipe.changes(prepared.recipe).items():
            self.say(f"not as in the recipe: {key} is {used}, not {wanted}")
        if (gpus := torch.cuda.device_count()) > 1 and asked.processes == 1:
            self.say(
                f"on one of {gpus} GPUs: accelerate launch --multi_gpu --num_processes {gpus} "
                "-m training finetune … takes them all"
            )
        self.say(str(prepared.counts))

    @contextmanager
    def training(self, steps: int, done: int) -> Iterator[None]:
        """While a run of so many steps goes on, from the one that is done."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        if done:
            self.say(f"going on after step {done} of {steps}")
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=self._console) as self._progress:
            self._task = self._progress.add_task("", total=steps, completed=done)
            yield
        self._progress = None

    def show(self, event: str, fields: dict[str, Any]) -> None:
        """An event of the run, as `training.finetuning.metrics` has them."""
        if event == "step":
            self._step(fields)
        elif event == "evaluation":
            self.say(
                f"step {fields['step']}: held-out loss {fields['loss']:.4f}, perplexity {fields['perplexity']:.2f}"
            )
        elif event == "stopping":
            self.say("stopping after this step; the same command goes on from there (again: at once)")

    def _step(self, fields: dict[str, Any]) -> None:
        said = (
            f"loss {fields['loss']:.3f}, {fields['tokens_per_second']:,.0f} tokens/s "
            f"({fields['learnt_tokens_per_second']:,.0f} learnt), {duration(fields['seconds_left'])} left"
        )
        if self._progress is not None:
            self._progress.update(self._task, completed=fields["step"], description=said)
        else:
            self.say(f"step {fields['step']}: {said}")


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

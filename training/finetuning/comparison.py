"""The runs of a folder, side by side: how far they are, how fast they went, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from training.finetuning.console import duration
from training.finetuning.errors import NoSuchRun, RunError
from training.finetuning.metrics import Event, EventLog, seconds_of
from training.finetuning.run_folder import Asked, RunFolder
from training.plots import WIDTH, legend_above, look, new_figure, style
from training.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What is known of a run, from its files alone."""

    folder: RunFolder
    asked: Asked
    events: list[Event]

    @property
    def name(self) -> str:
        return self.folder.name

    def of(self, kind: str) -> list[Event]:
        """The events of this kind."""
        return [event for event in self.events if event["event"] == kind]

    @property
    def state(self) -> str:
        """`complete`, `step 12 of 90`, and whether it stopped or failed there."""
        if self.folder.complete:
            return "complete"
        begun, steps = self.of("begun"), self.of("step")
        if not begun:
            return "not begun"
        at = f"step {steps[-1]['step'] if steps else 0} of {begun[-1]['steps']}"
        last = self.events[-1]["event"]
        return f"{at}, {last}" if last in {"stopped", "failed"} else at

    @property
    def epoch_steps(self) -> float:
        """Steps of an epoch; 1 for a run that has not begun."""
        begun, recipe = self.of("begun"), self.asked.recipe
        epochs = recipe.kto.epochs if self.asked.method == "kto" else recipe.epochs
        return float(begun[-1]["steps"]) / epochs if begun else 1.0

    @property
    def best_loss(self) -> float | None:
        """The lowest held-out loss; of a complete run, that of its adapter."""
        if finished := self.of("finished"):
            return float(finished[-1]["loss"])
        return min((float(event["loss"]) for event in self.of("evaluation")), default=None)

    @property
    def tokens_per_second(self) -> float | None:
        """The median over the steps."""
        return self._median("tokens_per_second")

    @property
    def mfu(self) -> float | None:
        """Model FLOP utilisation in percent, where the machine's peak was known; the median over the steps."""
        share = self._median("mfu")
        return None if share is None else 100 * share

    @property
    def peak_memory(self) -> float | None:
        """In GiB."""
        sizes = [event["peak_memory"] for event in self.of("step") if "peak_memory" in event]
        return max(sizes) / 2**30 if sizes else None

    @property
    def seconds(self) -> float:
        """All time that was spent on it."""
        return sum(seconds_of(self.events))

    def _median(self, figure: str) -> float | None:
        return (
            median(found) if (found := [each[figure] for each in self.of("step") if figure in each]) else None
        )


def list_runs(
    runs: Path, names: Container[str] | None = None, tell: Callable[[str], None] = lambda _: None
) -> list[RunSummary]:
    """The runs in a folder, by name; only those with these names, where some are given.

    `tell` hears of runs that cannot be read, which are left out.
    """
    found = []
    for folder in _folders(runs):
        if names is None or folder.name in names:
            try:
                found.append(_summary(folder))
            except RunError as error:
                tell(str(error))
    return found


def find_runs(runs: Path, names: Sequence[str]) -> list[RunSummary]:
    """These runs. Raises `NoSuchRun`, or another `RunError` for one that cannot be read."""
    there = {folder.name: folder for folder in _folders(runs)}
    for name in names:
        if name not in there:
            raise NoSuchRun(f"{runs} has no run {name!r}; it has {', '.join(there) or 'none'}")
    return [_summary(there[name]) for name in names]


def _folders(runs: Path) -> list[RunFolder]:
    return [RunFolder(path) for path in sorted(runs.glob("*")) if (path / "run.json").is_file()]


def _summary(folder: RunFolder) -> RunSummary:
    asked = folder.asked()
    if asked is None:
        raise NoSuchRun(f"{folder.path} is no run")
    return RunSummary(folder, asked, EventLog(folder.metrics).read())


def overview(runs: Sequence[RunSummary]) -> Table:
    """A line a run."""
    rows = [
        (
            run.name,
            run.asked.recipe.name if run.asked.method == "sft" else f"{run.asked.recipe.name}, kto",
            run.state,
            _figure(run.best_loss, 4),
            _figure(run.tokens_per_second, 0),
            _figure(run.mfu, 1),
            _figure(run.peak_memory, 1),
            duration(run.seconds),
        )
        for run in runs
    ]
    columns = ("run", "recipe", "state", "held out", "tokens/s", "MFU %", "GiB", "time")
    return Table("", columns, rows)


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def differences(runs: Sequence[RunSummary]) -> Table:
    """What the runs were asked for, where that is not the same for all of them."""
    first, *others = runs
    fields = sorted(
        {line.split(":", 1)[0] for other in others for line in first.asked.differences(other.asked)}
    )
    rows = [(field, *(_value(run.asked, field) for run in runs)) for field in fields]
    return Table("", ("", *(run.name for run in runs)), rows)


def _value(asked: Asked, field: str) -> str:
    fields = asked.model_dump(mode="json")
    value = fields[field] if field in fields else fields["recipe"]
    if field not in fields:
        for part in field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


@style()
def loss_curves(runs: Sequence[RunSummary]) -> Figure:
    """The held-out losses of several runs over their epochs. Raises `MissingExtra`."""
    figure, axes = new_figure(WIDTH, 4.2, "Held-out loss")
    for run, colour in zip(runs, cycle(look().series), strict=False):
        points = [(event["step"] / run.epoch_steps, event["loss"]) for event in run.of("evaluation")]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=colour,
                linewidth=2,
                marker="o",
                markersize=4.5,
                label=run.name,
            )
    axes.set_xlabel("epoch")
    axes.set_ylabel("nats a token")
    axes.grid(axis="y")
    if axes.lines:
        legend_above(axes, 1)
    return figure

"""What a run's `metrics.jsonl` and an evaluation's answers say while they are written: events, and how far it is."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.finetuning.console import duration
from training.finetuning.metrics import Event, EventLog
from training.serving.jobs import Job, JobFolder


class Follower:
    """Gives the events of a run that are new, however often the file is written anew on the way."""

    def __init__(self, path: Path, told_before: Sequence[float] = ()) -> None:
        """`told_before`: the times of the events that were told already."""
        self._log = EventLog(path)
        self._last = max(told_before, default=0.0)
        self._at_last = sum(time == self._last for time in told_before)
        """Events of that very time that were told; two may share a millisecond."""
        self._looked: tuple[int, int] | None = None

    def new(self) -> list[Event]:
        """Those since the last call."""
        try:
            stat = self._log.path.stat()
        except OSError:
            return []
        if (looks := (stat.st_mtime_ns, stat.st_size)) == self._looked:
            return []
        self._looked = looks
        events = [_finite(event) for event in self._log.read()]
        again = [event for event in events if event["time"] == self._last][self._at_last :]
        found = [*again, *(event for event in events if event["time"] > self._last)]
        if found:
            last = found[-1]["time"]
            same = sum(event["time"] == last for event in found)
            self._at_last = same + (self._at_last if last == self._last else 0)
            self._last = last
        return found


def told(event: Event, steps: int | None) -> tuple[str, dict[str, Any] | None] | None:  # noqa: PLR0911
    """An event of a run as a job's: what is said, and the figures; None for one that is nobody's business."""
    match event["event"]:
        case "begun":
            return f"Training has begun: {event['steps']} steps, {event['tokens']:,} tokens an epoch.", None
        case "resumed":
            return f"Training goes on after step {event['step']}.", None
        case "step":
            of = f" of {steps}" if steps else ""
            names = {"loss": "train_loss"}
            figures = {
                names.get(name, name): value for name, value in event.items() if name not in {"event", "time"}
            }
            said = (
                f"Step {event['step']}{of}: training loss {_loss(event)}, "
                f"{event['tokens_per_second']:,.0f} tokens/s, {duration(event['seconds_left'])} left"
            )
            return said, figures | {"total_steps": steps}
        case "evaluation":
            figures = {"step": event["step"], "valid_loss": event["loss"], "total_steps": steps}
            return f"Step {event['step']}: held-out loss {_loss(event)}", figures
        case "checkpoint":
            return f"Checkpoint of step {event['step']} written.", None
        case "finished":
            return (
                f"Training has ended; the best step is {event['step']}, held-out loss {_loss(event)}.",
                None,
            )
        case "stopped":
            return f"Training stopped after step {event['step']}, with a checkpoint.", None
    return None


def _loss(event: Event) -> str:
    return "no number" if event["loss"] is None else f"{event['loss']:.4f}"


@dataclass(frozen=True, slots=True)
class Training:
    """Where a run stands."""

    events: Sequence[Event]

    def last(self, kind: str) -> Event | None:
        """The last event of this kind."""
        return next((event for event in reversed(self.events) if event["event"] == kind), None)

    @property
    def steps(self) -> int | None:
        begun = self.last("begun")
        return int(begun["steps"]) if begun else None

    @property
    def step(self) -> int:
        last = self.last("step")
        return int(last["step"]) if last else 0


def training_of(folder: JobFolder) -> Training:
    """From its file."""
    return Training([_finite(event) for event in EventLog(folder.run.metrics).read()])


def _finite(event: Event) -> Event:
    """A loss that is no number is none: JSON has no word for it."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in event.items()
    }


def progress_of(job: Job, folder: JobFolder) -> dict[str, Any] | None:
    """How far a running job is; None for any other."""
    if job.status != "running":
        return None
    training = training_of(folder)
    step, held_out = training.last("step"), training.last("evaluation")
    found: dict[str, Any] = {
        "stage": "waiting for memory" if job.waiting_for_memory else job.stage or "training",
        "step": training.step,
        "steps": training.steps,
        "loss": step["loss"] if step else None,
        "held_out_loss": held_out["loss"] if held_out else None,
        "tokens_per_second": step["tokens_per_second"] if step else None,
        "seconds_left": step["seconds_left"] if step and job.stage == "training" else None,
    }
    if job.stage == "evaluating" and not job.waiting_for_memory:
        found |= _answers(folder, time.time() - (job.stage_at or time.time()))
    return found


def steps_and_answers(folder: JobFolder) -> int:
    """How far a job is, as one number that grows."""
    return training_of(folder).step + _answers_written(folder)


def _answers_written(folder: JobFolder) -> int:
    try:
        with (folder.evaluation / "answers.jsonl").open("rb") as file:
            return max(sum(line.endswith(b"\n") for line in file) - 1, 0)  # the first line is no answer
    except OSError:
        return 0


def _answers(folder: JobFolder, seconds: float) -> dict[str, Any]:
    """How many answers there are to be judged, and how many came in so many seconds, in place of steps."""
    written = _answers_written(folder)
    try:
        total = int((folder.evaluation / "total").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {"step": 0, "steps": None, "seconds_left": None}
    # When all are there, the held-out loss is worked out, and nobody counts its steps.
    left = seconds / written * (total - written) if 0 < written < total else None
    return {"step": written, "steps": total, "seconds_left": None if left is None else round(left, 1)}

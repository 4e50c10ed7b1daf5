"""What happens in a run, as lines of `metrics.jsonl` that others can follow while it is written.

Events, each with `event` and `time` (seconds since 1970):

begun       steps, examples, tokens, learnt_tokens: the plan
resumed     step: what was noted beyond it is gone, since it is done again
step        step, epoch, loss, learning_rate, gradient_norm, seconds, tokens_per_second, learnt_tokens_per_second, mfu,
            peak_memory (bytes), seconds_left; with KTO also kl and margin (of the rewards), and no mfu. Seconds and
            rates are of training alone, without evaluations and checkpoints
evaluation  step, loss, perplexity, tokens, seconds: the held-out loss over the full vocabulary
checkpoint  step
stopped     step: asked to stop, and can go on from there
finished    step, loss, perplexity: of the adapter as it is saved
failed      error
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.chats import write_text

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventLog:
    """The file of events."""

    path: Path

    def write(self, event: str, **fields: Any) -> None:
        """Append an event; whoever follows the file sees it at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"event": event, "time": round(time.time(), 3), **_rounded(fields)}) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def read(self) -> list[Event]:
        """All whole lines; a kill may have left half of the last one."""
        return list(self._events())

    def go_back(self, step: int) -> None:
        """Forget what was noted of later steps, and that the run ended."""
        kept = [
            each
            for each in self._events()
            if each.get("step", 0) <= step and each["event"] not in {"stopped", "finished", "failed"}
        ]
        write_text(self.path, "".join(json.dumps(each) + "\n" for each in kept))

    def _events(self) -> Iterator[Event]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                yield event


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in fields.items()
        if value is not None
    }


def seconds_of(events: Sequence[Event]) -> Iterator[float]:
    """The time from each event of a run to the next; from one process to the one that went on, none."""
    for before, event in pairwise(events):
        if event["event"] != "resumed":
            yield event["time"] - before["time"]

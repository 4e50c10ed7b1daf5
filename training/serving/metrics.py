"""What the trainer counts, for `GET /metrics`: its jobs, how far the running one is, and its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from model.server.metrics import HttpMetrics
from training.serving.following import progress_of
from training.serving.jobs import JobStore
from training.serving.memory import WorkerMemory

_STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
_FIGURES = {
    "step": "Steps done of the running job's stage.",
    "steps": "Steps that the running job's stage has.",
    "loss": "Training loss of the running job.",
    "held_out_loss": "Held-out loss of the running job.",
    "tokens_per_second": "Tokens that the running job trains on in a second.",
    "seconds_left": "Seconds that the running job's training has left.",
}


class TrainerMetrics(HttpMetrics):
    """All of the trainer's metrics."""

    def __init__(self, jobs: JobStore, memory: WorkerMemory) -> None:
        super().__init__()
        self.registry.register(_Now(jobs, memory))


class _Now(Collector):
    """What is read off the jobs when somebody asks."""

    def __init__(self, jobs: JobStore, memory: WorkerMemory) -> None:
        self._jobs, self._memory = jobs, memory

    def collect(self) -> Iterator[Metric]:
        counts: Counter[str] = Counter(job.status for job in self._jobs.all())
        jobs = GaugeMetricFamily("fanfabler_training_jobs", "Jobs, by how they stand.", labels=["status"])
        for status in _STATUSES:
            jobs.add_metric([status], counts[status])
        yield jobs
        asleep = GaugeMetricFamily(
            "fanfabler_training_worker_asleep",
            "1 while the worker sleeps because the trainer needs its memory.",
        )
        asleep.add_metric([], float(self._memory.taken))
        yield asleep
        running = self._jobs.running()
        progress = progress_of(running, self._jobs.folder(running)) if running else None
        for name, text in _FIGURES.items():
            if progress is not None and progress[name] is not None:
                gauge = GaugeMetricFamily(f"fanfabler_training_{name}", text)
                gauge.add_metric([], float(progress[name]))
                yield gauge

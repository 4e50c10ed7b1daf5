"""The counters, in Prometheus' text format. A registry of its own, so that nothing is global; the names have a `bot` in
them, which the worker's have not. No label names a person, a server or a text."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from bot.database.connection import Database
from bot.metrics.events import Events, LookUp, Outcome, Trouble
from bot.queue.repository import JobQueue, Limits

_FIRST_TEXT = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 40, 80, 160, 320)
_WAIT = (0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
_WHOLE = (1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_SCOPES = frozenset({"user", "global", "shared"})


class PrometheusEvents(Events):
    """Counts what happens in this process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def histogram(name: str, told: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"fanfabler_bot_{name}", told, buckets=buckets, registry=registry)

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"fanfabler_bot_{name}", told, labels, registry=registry)

        self._wait = histogram("queue_wait_seconds", "From being asked for to the first turn.", _WAIT)
        self._first_text = histogram(
            "time_to_first_text_seconds", "From being asked for to the first text shown.", _FIRST_TEXT
        )
        self._whole = histogram("answer_seconds", "From being asked for to the end of the answer.", _WHOLE)
        self._answers = counter("answers", "Answers that have ended, by how.", "outcome")
        self._put_back = counter("requests_put_back", "Requests that went back to the queue, by why.", "why")
        self._wrong = counter("wrong_language", "Answers in a wrong language: kept, or written anew.", "fate")
        self._look_ups = counter("lookups", "Look-ups in Wikipedia, by what came of them.", "result")
        self._discord = counter("discord_requests", "Requests that Discord answered.", "method", "status")
        self._limited = counter(
            "discord_rate_limited", "Those it answered with 429, by whose limit.", "scope"
        )
        ProcessCollector(registry=registry)

    def claimed(self, waited_seconds: float) -> None:
        """Timed."""
        self._wait.observe(waited_seconds)

    def first_text(self, seconds: float) -> None:
        """Timed."""
        self._first_text.observe(seconds)

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """Counted; timed where it was written to its end."""
        self._answers.labels(outcome).inc()
        if outcome == "complete":
            self._whole.observe(seconds)

    def put_back(self, trouble: Trouble) -> None:
        """Counted."""
        self._put_back.labels(trouble).inc()

    def wrong_language(self, *, kept: bool) -> None:
        """Counted."""
        self._wrong.labels("kept" if kept else "anew").inc()

    def looked_up(self, result: LookUp) -> None:
        """Counted."""
        self._look_ups.labels(result).inc()

    def discord_answered(self, method: str, status: int, scope: str | None) -> None:
        """Counted."""
        self._discord.labels(method if method in _METHODS else "other", str(status)).inc()
        if status == 429:
            self._limited.labels(scope if scope in _SCOPES else "other").inc()


class Exposition:
    """The counters, and how things are at the moment they are asked for. The queue is everybody's: with several bot
    processes each of them tells the same of it."""

    def __init__(
        self,
        events: PrometheusEvents,
        database: Database,
        limits: Limits,
        *,
        latency: Callable[[], float],
        ready: Callable[[], bool],
        writing: Callable[[], int],
    ) -> None:
        self._events = events
        self._database = database
        self._limits = limits
        self._read: list[tuple[Gauge, Callable[[], float]]] = []

        def gauge(name: str, told: str) -> Gauge:
            return Gauge(f"fanfabler_bot_{name}", told, registry=events.registry)

        self._waiting = gauge("queue_waiting", "Requests that wait, of all bot processes.")
        self._running = gauge("queue_running", "Answers being written, of all bot processes.")
        self._oldest = gauge("queue_oldest_seconds", "How long the one that waits longest has waited.")
        self._limit = gauge("queue_limit", "Requests that may wait.")
        self._read += [
            (gauge("writing", "Answers that this process writes."), lambda: float(writing())),
            (gauge("discord_ready", "1 while Discord's gateway is connected."), lambda: float(ready())),
            (gauge("discord_latency_seconds", "A heartbeat's way there and back."), latency),
        ]

    async def text(self, accept: str) -> tuple[bytes, str]:
        """All of it and its content type, in the format that an `Accept` header asks for."""
        async with self._database.reading() as session:
            load = await JobQueue(session, self._limits).load()
        self._waiting.set(load.waiting)
        self._running.set(load.running)
        self._oldest.set(load.oldest_seconds)
        self._limit.set(self._limits.queue)
        for gauge, read in self._read:
            gauge.set(read())
        encode, content_type = choose_encoder(accept)
        return encode(self._events.registry), content_type

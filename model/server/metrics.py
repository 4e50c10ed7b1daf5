"""What the worker counts and times, in Prometheus' text format for `GET /metrics`.

The names are vLLM's with another prefix, so that dashboards made for it need one replacement. Each application
has a registry of its own. Counting a token costs a few microseconds and no lock that anybody else waits for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from model.engine.base import Generation
from model.server.worker import ServedModel, Worker

Outcome = Literal["stop", "length", "gone", "handed_back", "failed"]
"""How an answer ended: by itself, at its limit, because its client left, because the worker stopped, or by a
failure."""

_MOST_MODELS = 64
"""Names of models that get series of their own. Adapters come and go, and series stay."""
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_FIRST_TOKEN = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160)
_BETWEEN_TOKENS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5)
_WHOLE = (0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 60, 120, 240, 480, 960)
_QUEUE = (0.001, 0.01, 0.1, 0.3, 0.5, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 60, 120, 240)
_POWERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class _ModelSeries:
    """The series of one model, looked up once."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self.name = name
        self.first_token = metrics.first_token.labels(name)
        self.between_tokens = metrics.between_tokens.labels(name)
        self.whole = metrics.whole.labels(name)
        self.queue = metrics.queue.labels(name)
        self.batch = metrics.batch.labels(name)
        self.prompt_tokens = metrics.prompt_tokens.labels(name)
        self.generated_tokens = metrics.generated_tokens.labels(name)


class AnswerClock:
    """Times one answer, from being accepted to its end."""

    __slots__ = ("_began", "_ended", "_last", "_metrics", "_model", "_series", "first_token_seconds")

    def __init__(self, metrics: Metrics, model: ServedModel) -> None:
        self._metrics = metrics
        self._model = model
        self._series = metrics.series(model.name)
        self._began = self._last = time.monotonic()
        self._ended = False
        self.first_token_seconds: float | None = None
        """Time to first token, once there is one."""

    def tokens(self, count: int, generation: Generation) -> None:
        """The engine has delivered this many more."""
        now = time.monotonic()
        series = self._series
        if self.first_token_seconds is None:
            self.first_token_seconds = now - self._began
            series.first_token.observe(self.first_token_seconds)
            series.queue.observe(generation.queue_seconds)
            count -= 1
        for _ in range(count):
            series.between_tokens.observe((now - self._last) / count)
        series.batch.observe(self._model.engine.load.running)
        self._last = now

    def end(self, outcome: Outcome, prompt_tokens: int, generated_tokens: int) -> None:
        """The answer has ended; only the first call counts."""
        if self._ended:
            return
        self._ended = True
        series = self._series
        series.prompt_tokens.inc(prompt_tokens)
        series.generated_tokens.inc(generated_tokens)
        if outcome in ("stop", "length"):
            series.whole.observe(time.monotonic() - self._began)
        self._metrics.answers.labels(series.name, outcome).inc()


class HttpMetrics:
    """What any server counts of its requests; `registry` takes what else one has."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self.counter(
            "http_requests", "HTTP requests answered; 499 where the client left first.", "route", "method", "status"
        )  # fmt: skip
        self._errors = self.counter(
            "errors", "Errors told to clients, in mid-answer too, by their code.", "code"
        )
        ProcessCollector(registry=self.registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """One more counter."""
        return Counter(f"fanfabler_{name}", text, labels, registry=self.registry)

    def count_request(self, route: str, method: str, status: int) -> None:
        """An HTTP request has been answered."""
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()

    def count_error(self, code: str | None) -> None:
        """A client has been told of an error."""
        self._errors.labels(code or "none").inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics and their content type, in the format that an `Accept` header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


class Metrics(HttpMetrics):
    """All of a worker's metrics."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        registry = self.registry
        self._series: dict[str, _ModelSeries] = {}

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"fanfabler_{name}", text, ["model"], buckets=buckets, registry=registry)

        self.first_token = histogram(
            "time_to_first_token_seconds", "From a request being accepted to its first token.", _FIRST_TOKEN
        )
        self.between_tokens = histogram(
            "inter_token_latency_seconds", "Between one token of an answer and the next.", _BETWEEN_TOKENS
        )
        self.whole = histogram(
            "e2e_request_latency_seconds", "From a request being accepted to its answer's end.", _WHOLE
        )
        self.queue = histogram(
            "request_queue_time_seconds", "From a request being accepted to its turn.", _QUEUE
        )
        self.batch = histogram(
            "batch_size", "Answers in the batch, once for each step of each answer.", _POWERS
        )
        self.prompt_tokens = self.counter("prompt_tokens", "Tokens of the prompts of ended answers.", "model")
        self.generated_tokens = self.counter(
            "generation_tokens", "Tokens generated, of ended answers.", "model"
        )
        self.answers = self.counter("answers", "Ended answers, by how they ended.", "model", "outcome")
        registry.register(_Now(self, worker))

    def series(self, model: str) -> _ModelSeries:
        """The series of a model; those of `other` where there are too many names already."""
        name = self.label(model)
        if name not in self._series:
            self._series[name] = _ModelSeries(self, name)
        return self._series[name]

    def label(self, model: str) -> str:
        """The model's name as a label."""
        return model if model in self._series or len(self._series) < _MOST_MODELS else "other"


class _Now(Collector):
    """What is read off the worker when somebody asks."""

    def __init__(self, metrics: Metrics, worker: Worker) -> None:
        self._metrics = metrics
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("fanfabler_ready", "1 while requests are served.")
        ready.add_metric([], float(self._worker.ready))
        yield ready
        running = GaugeMetricFamily(
            "fanfabler_num_requests_running", "Answers being generated.", labels=["model"]
        )
        waiting = GaugeMetricFamily(
            "fanfabler_num_requests_waiting", "Requests in the queue.", labels=["model"]
        )
        slots = GaugeMetricFamily("fanfabler_slots", "Answers that fit side by side.", labels=["model"])
        cache = GaugeMetricFamily(
            "fanfabler_kv_cache_usage_ratio", "Share of the KV cache in use.", labels=["model"]
        )
        # Models of one engine share its queue: it is told once, under the first of them.
        for model in {id(model.engine): model for model in reversed(self._worker.models)}.values():
            label, load = [self._metrics.label(model.name)], model.engine.load
            running.add_metric(label, load.running)
            waiting.add_metric(label, load.waiting)
            slots.add_metric(label, load.slots)
            if (use := model.engine.cache_use) is not None:
                cache.add_metric(label, use)
        yield from (running, waiting, slots, cache)

"""A worker to be judged: one that is there, or one started on this machine for the time of the evaluation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.local_worker import local_worker
from training.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_TIMEOUT = 1800.0


@dataclass(frozen=True, slots=True)
class Served:
    """A worker's client, its bare base, and its adapters."""

    client: AsyncOpenAI
    base: str
    adapters: tuple[str, ...]


@asynccontextmanager
async def open_worker(url: str, token: str | None) -> AsyncIterator[Served]:
    """A worker that runs already; `url` ends in /v1. Raises `EvaluationError`."""
    from openai import AsyncOpenAI, OpenAIError

    async with AsyncOpenAI(base_url=url, api_key=token or "none", timeout=_TIMEOUT) as client:
        try:
            models = [model async for model in client.models.list()]
        except OpenAIError as error:
            raise EvaluationError(
                f"the worker at {url} could not be asked for its models: {error}"
            ) from error
        roots = {str(getattr(model, "root", None) or model.id) for model in models}
        bases = [model.id for model in models if model.id in roots]
        if len(bases) != 1:
            raise EvaluationError(f"the worker at {url} has {len(bases)} base models; one can be judged")
        yield Served(client, bases[0], tuple(model.id for model in models if model.id != bases[0]))


@asynccontextmanager
async def start_worker(preset: str, adapters: Mapping[str, Path]) -> AsyncIterator[Served]:
    """A worker of this preset with these adapters, as a process of its own.

    Raises `EvaluationError`, and as `model.local_worker` does.
    """
    named = [part for name, path in adapters.items() for part in ("--adapter", f"{name}={path}")]
    async with local_worker(preset, *named) as (url, token), open_worker(url, token) as served:
        yield served

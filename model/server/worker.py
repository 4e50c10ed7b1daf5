"""What a worker serves: its models by name, and whether it is ready.

The HTTP routes read it; whoever loads and unloads models writes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from model.engine.base import ChatCodec, Engine
from model.engine.slots import EngineLoad
from model.preset import SamplingDefaults
from model.server.errors import ApiError, unavailable

State = Literal["loading", "ready", "stopping", "failed"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One name that a request's `model` can ask for: the bare base, or the base with an adapter."""

    name: str
    engine: Engine
    codec: ChatCodec
    preset: str
    context_length: int
    sampling: SamplingDefaults
    root: str
    """The base's name; its own where it is the base."""
    adapter: str | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def fingerprint(self) -> str:
        """`preset/adapter/prompt format`, sent as `system_fingerprint`."""
        return f"{self.preset}/{self.adapter or 'base'}/{self.codec.prompt_format}"


class Worker:
    """The models and the state of one process. The first model is the default one."""

    def __init__(self) -> None:
        self.state: State = "loading"
        self.reason = "The model is still being loaded."
        self._models: dict[str, ServedModel] = {}

    @property
    def models(self) -> tuple[ServedModel, ...]:
        return tuple(self._models.values())

    @property
    def load(self) -> EngineLoad:
        """Over all engines."""
        loads = [engine.load for engine in self.engines()]
        return EngineLoad(
            running=sum(load.running for load in loads),
            waiting=sum(load.waiting for load in loads),
            slots=sum(load.slots for load in loads),
        )

    def engines(self) -> list[Engine]:
        return list({id(model.engine): model.engine for model in self.models}.values())

    async def open(self, models: Iterable[ServedModel]) -> None:
        """Start the engines of these models and serve them."""
        added = list(models)
        for engine in {id(model.engine): model.engine for model in added}.values():
            await engine.start()
        self._models.update((model.name, model) for model in added)
        self.state, self.reason = "ready", ""

    async def close(self) -> None:
        """Stop every engine."""
        if self.state != "failed":
            self.state, self.reason = "stopping", "The worker is stopping."
        for engine in self.engines():
            await engine.close()

    async def failed(self) -> str:
        """Wait until an engine fails, and turn red."""
        waits = [asyncio.ensure_future(engine.failed()) for engine in self.engines()]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            self.state, self.reason = "failed", done.pop().result()
            return self.reason
        finally:
            for wait in waits:
                wait.cancel()

    def find(self, name: str) -> ServedModel:
        """The model of this name, the default one for an empty name.

        Raises `ApiError`: 404 where there is none, 503 where nothing is served now.
        """
        broken = next((engine.failure for engine in self.engines() if engine.failure), None)
        if self.state == "failed" or broken:
            raise unavailable(
                f"The engine has failed: {broken or self.reason}", code="engine_failed", retry_after=10
            )
        if self.state != "ready":
            raise unavailable(self.reason, code=f"worker_{self.state}", retry_after=5)
        if not name:
            return self.models[0]
        model = self._models.get(name)
        if model is None:
            served = ", ".join(self._models)
            raise ApiError(
                404,
                f"There is no model '{name}' here; there is: {served}.",
                param="model",
                code="model_not_found",
            )
        return model

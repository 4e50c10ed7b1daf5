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
from model.preset import Preset, SamplingDefaults
from model.server.drain import RETRY_SECONDS, STOPPING, RunningAnswers
from model.server.errors import ApiError, unavailable

State = Literal["loading", "ready", "sleeping", "stopping", "failed"]


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


def serve_as(preset: Preset, engine: Engine, codec: ChatCodec, adapter: str | None = None) -> ServedModel:
    """A preset's base, or the base with an adapter of this name, by this engine."""
    return ServedModel(
        name=adapter or preset.base.name,
        engine=engine,
        codec=codec,
        preset=preset.name,
        context_length=preset.context_length,
        sampling=preset.sampling,
        root=preset.base.name,
        adapter=adapter,
    )


class Worker:
    """The models and the state of one process. The first model is the default one."""

    def __init__(self) -> None:
        self.state: State = "loading"
        self.reason = "The model is still being loaded."
        self.answers = RunningAnswers()
        self._models: dict[str, ServedModel] = {}
        self._retiring: dict[Engine, asyncio.Task[None]] = {}
        self._watches: dict[Engine, asyncio.Task[None]] = {}
        self._broken = asyncio.Event()

    @property
    def models(self) -> tuple[ServedModel, ...]:
        return tuple(self._models.values())

    @property
    def ready(self) -> bool:
        """Whether requests are served."""
        return self.state == "ready" and not any(engine.failure for engine in self.engines())

    @property
    def load(self) -> EngineLoad:
        """Over all engines; the slots of those that take requests."""
        loads = [engine.load for engine in self.engines()]
        retiring = sum(engine.load.slots for engine in self._retiring)
        return EngineLoad(
            running=sum(load.running for load in loads),
            waiting=sum(load.waiting for load in loads),
            slots=sum(load.slots for load in loads) - retiring,
        )

    @property
    def retiring(self) -> int:
        """Engines that take no more requests and end their last answers."""
        return len(self._retiring)

    def engines(self) -> list[Engine]:
        """Those of the models, and those that are retiring."""
        return list(dict.fromkeys([*(model.engine for model in self.models), *self._retiring]))

    async def open(self, models: Iterable[ServedModel]) -> None:
        """Start the engines of these models and serve them; one of a known name takes that one's place."""
        added = list(models)
        engines = list(dict.fromkeys(model.engine for model in added))
        try:
            for engine in engines:
                await engine.start()
        except BaseException:  # being told to stop in the meantime, too
            for engine in engines:
                await engine.close()
            raise
        if self.state in {"stopping", "failed"}:
            for engine in engines:
                await engine.close()
            raise unavailable(self.reason, code=f"worker_{self.state}", retry_after=RETRY_SECONDS)
        for engine in engines:
            self._watches[engine] = asyncio.create_task(self._watch(engine))
        self._models.update((model.name, model) for model in added)
        self.state, self.reason = "ready", ""

    async def exchange(self, model: ServedModel) -> None:
        """Start this model and serve it, in place of the one of its name, if there is one.

        Answers that the other has begun end there.
        """
        before = self._models.get(model.name)
        await self.open([model])
        if before is not None:
            self._retire(before.engine)

    def withdraw(self, name: str) -> None:
        """Serve this model no more. Its answers end as they began."""
        self._retire(self._models.pop(name).engine)

    async def rest(self) -> None:
        """Close every engine, with nothing running any more; the models stay known."""
        for engine in self.engines():
            await self._close(engine)

    async def stop(self, grace: float) -> int:
        """Take no more requests and let the running answers end within `grace` seconds; how many were handed back."""
        if self.state != "failed":
            self.state, self.reason = "stopping", STOPPING
        return await self.answers.end(grace)

    async def close(self) -> None:
        """Stop every engine."""
        if self.state != "failed":
            self.state, self.reason = "stopping", STOPPING
        for engine in self.engines():
            await self._close(engine)

    async def failed(self) -> str:
        """Wait until an engine fails, that of any model, and turn red."""
        await self._broken.wait()
        return self.reason

    def fail(self, reason: str) -> None:
        """Turn red for good."""
        self.state, self.reason = "failed", reason
        self._broken.set()

    async def _watch(self, engine: Engine) -> None:
        self.fail(await engine.failed())

    def _retire(self, engine: Engine) -> None:
        self._retiring[engine] = asyncio.create_task(self._close_when_idle(engine))

    async def _close_when_idle(self, engine: Engine) -> None:
        await engine.idle()
        await self._close(engine)

    async def _close(self, engine: Engine) -> None:
        if (watch := self._watches.pop(engine, None)) is not None:
            watch.cancel()
        try:
            await engine.close()
        finally:
            self._retiring.pop(engine, None)

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
            raise unavailable(self.reason, code=f"worker_{self.state}", retry_after=RETRY_SECONDS)
        return self.known(name) if name else self.models[0]

    def known(self, name: str) -> ServedModel:
        """The model of this name, served now or asleep. Raises `ApiError`: 404 where there is none."""
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

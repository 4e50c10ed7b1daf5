"""What an operator does to a running worker: take adapters in and out, put it to sleep and wake it up.

One thing at a time, in the order asked for, while requests go on. What has been begun is carried through even where
the operator's client goes away. Texts and refusals are vLLM's where it has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, TypeVar

from model.engine.errors import AdapterNotFound, AdapterRefused
from model.errors import ModelError
from model.server.errors import ApiError, unavailable
from model.server.source import ModelSource
from model.server.threads import in_thread
from model.server.worker import ServedModel, Worker

log = logging.getLogger("model.server")

SLEEP_GRACE = 120.0
"""Seconds that running answers have before a sleep hands them back."""
_RETRY_SECONDS = 5.0

Result = TypeVar("Result")
Mode = Literal["abort", "wait"]


class Refusal(ApiError):
    """An error as vLLM has it: its own words for the type, and the status as the code."""

    def body(self, request_id: str) -> dict[str, Any]:
        body = super().body(request_id)
        body["error"]["code"] = self.status
        return body


def bad_request(message: str) -> Refusal:
    """What vLLM says of a request that cannot be meant so."""
    return Refusal(400, message, kind="InvalidUserInput", code="invalid_value")


def not_found(message: str) -> Refusal:
    """What vLLM says of an adapter that is not there."""
    return Refusal(404, message, kind="NotFoundError", code="not_found")


class Administration:
    """The operator's side of one worker."""

    def __init__(self, worker: Worker, source: ModelSource | None = None) -> None:
        """`source` may come later, once it is loaded."""
        self.source = source
        self._worker = worker
        self._one_at_a_time = asyncio.Lock()
        self._begun: set[asyncio.Task[Any]] = set()

    @property
    def sleeping(self) -> bool:
        return self._worker.state == "sleeping"

    async def load_adapter(
        self, name: str, path: str, *, in_place: bool = False, base_model_name: str | None = None
    ) -> str:
        """Serve the adapter in this folder by this name. With `in_place`, instead of the one that has it now, whose
        answers end as they began."""
        return await self._carry_through(partial(self._load_adapter, name, path, in_place, base_model_name))

    async def unload_adapter(self, name: str) -> str:
        """Serve this adapter no more; its answers end as they began."""
        return await self._carry_through(partial(self._unload_adapter, name))

    async def sleep(self, level: int, mode: Mode) -> None:
        """Free the memory, once the running answers have ended or, in mode `abort`, have been handed back at once."""
        await self._carry_through(partial(self._sleep, level, SLEEP_GRACE if mode == "wait" else 0.0))

    async def wake_up(self) -> None:
        """Fetch everything back, as it was."""
        await self._carry_through(self._wake_up)

    async def _carry_through(self, action: Callable[[], Awaitable[Result]]) -> Result:
        async def in_turn() -> Result:
            async with self._one_at_a_time:
                return await action()

        task = asyncio.create_task(in_turn())
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_tell)
            raise

    async def _load_adapter(self, name: str, path: str, in_place: bool, base_model_name: str | None) -> str:
        source = self._ready_source()
        current = self._adapters().get(name)
        if name == source.base_name:
            raise bad_request(f"'{name}' is the base model's name.")
        if base_model_name not in (None, "", source.base_name):
            raise bad_request(f"The base model here is '{source.base_name}', not '{base_model_name}'.")
        if current is not None and not in_place:
            raise bad_request(
                f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set "
                "'load_inplace' to True."
            )
        self._check_room(source, current)
        try:
            model = await in_thread(partial(source.adapter, name, path))
            await self._worker.exchange(model)
        except AdapterNotFound as error:
            raise not_found(str(error)) from error
        except AdapterRefused as error:
            raise Refusal(400, str(error), kind="BadRequestError", code="adapter_refused") from error
        except ModelError as error:
            raise Refusal(500, str(error), kind="InternalServerError", code="adapter_failed") from error
        log.info("loaded the adapter %s from %s as %s", name, path, model.fingerprint)
        return f"Success: LoRA adapter '{name}' added successfully."

    def _check_room(self, source: ModelSource, current: ServedModel | None) -> None:
        adapters = list(self._adapters())
        if current is None and len(adapters) >= source.most_adapters:
            raise bad_request(
                f"{len(adapters)} adapters are loaded ({', '.join(adapters)}) and {source.most_adapters} are the most "
                "there may be: unload one first, or set MAX_ADAPTERS where there is memory for more."
            )
        if len(self._worker.engines()) < source.at_once:
            return
        if self._worker.retiring:
            raise unavailable(
                "There is no memory for another model until the last answers of an unloaded one have ended.",
                code="adapters_retiring",
                retry_after=_RETRY_SECONDS,
            )
        raise bad_request(
            f"There is memory for {source.at_once} models at once and that many are loaded: unload the old adapter "
            "before its successor is loaded."
        )

    async def _unload_adapter(self, name: str) -> str:
        self._ready_source()
        if name not in self._adapters():
            raise not_found(f"The lora adapter '{name}' cannot be found.")
        self._worker.withdraw(name)
        log.info("unloaded the adapter %s", name)
        return f"Success: LoRA adapter '{name}' removed successfully."

    async def _sleep(self, level: int, grace: float) -> None:
        worker = self._worker
        if self.sleeping and self.source is not None:
            await in_thread(partial(self.source.let_go, level))
            return
        source = self._ready_source()
        reason = "The worker sleeps, its memory is in use elsewhere; it serves again once it is woken up."
        worker.state, worker.reason = "sleeping", reason
        handed_back = await worker.answers.end(grace, reason, "worker_sleeping")
        if worker.state != "sleeping":  # it has been told to stop in the meantime
            raise unavailable(worker.reason, code=f"worker_{worker.state}", retry_after=_RETRY_SECONDS)
        try:
            await in_thread(partial(source.put_away, worker.models))
            await worker.rest()
            await in_thread(partial(source.let_go, level))
        except Exception as error:
            worker.fail(f"It could not be put to sleep: {error}")
            raise
        log.info("asleep at level %d; %d answers were handed back", level, handed_back)

    async def _wake_up(self) -> None:
        if not self.sleeping or self.source is None:
            return
        try:
            models = await in_thread(self.source.bring_back)
            await self._worker.open(models)
        except Exception as error:
            log.exception("waking up has failed")
            await in_thread(partial(self.source.let_go, 1))
            raise unavailable(
                f"The worker could not be woken up and still sleeps: {error}",
                code="worker_sleeping",
                retry_after=_RETRY_SECONDS,
            ) from error
        log.info("awake with %s", ", ".join(model.name for model in models))

    def _ready_source(self) -> ModelSource:
        self._worker.find("")  # raises where nothing is served now
        if self.source is None:
            raise unavailable(
                "The model is still being loaded.", code="worker_loading", retry_after=_RETRY_SECONDS
            )
        return self.source

    def _adapters(self) -> dict[str, ServedModel]:
        return {model.name: model for model in self._worker.models if model.adapter}


def _tell(task: asyncio.Task[Any]) -> None:
    """Its client is gone, and hears no more of a failure."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("what was asked for has failed after its client had left: %s", error)

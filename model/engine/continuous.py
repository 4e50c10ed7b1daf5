"""The engine that runs a model: transformers' continuous batching in a thread, asyncio in front of it.

The event loop queues requests and hands at most `slots` of them to the thread, which makes one token for each
in every step. Imports torch and transformers when it starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator
from typing import Any

from model.engine.base import Generation, GenerationRequest, Sampling, Step
from model.engine.errors import CannotRun, EngineError, EngineFailed, RequestRefused, WorkerError
from model.engine.sizing import CacheShape, EngineSize
from model.engine.slots import EngineLoad, Seat, Slots

log = logging.getLogger("model.engine")

_WATCH_SECONDS = 0.25
_STOP_SECONDS = 20.0


class ContinuousEngine:
    """One model, one KV cache, one thread. Its requests run side by side and do not touch one another."""

    def __init__(
        self,
        model: Any,
        size: EngineSize,
        *,
        context_length: int,
        name: str = "engine",
        line_breaks: frozenset[int] = frozenset(),
    ) -> None:
        """`model`: a transformers causal model in evaluation mode; adapters in place are part of it.

        `line_breaks`: the tokens that are nothing else, for `Sampling.penalize_nl`.
        """
        self.name = name
        self.size = size
        self.context_length = context_length
        self._model = model
        self._line_breaks = line_breaks
        self._manager: Any = None
        self._slots = Slots(size.slots, size.queue_limit)
        self._numbers = itertools.count()
        self._inboxes: dict[str, _Inbox] = {}
        self._cancelled: set[str] = set()
        self._failure: str | None = None
        self._failed = asyncio.Event()
        self._closed = False
        self._closing: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def load(self) -> EngineLoad:
        return self._slots.load

    @property
    def cache_use(self) -> float | None:
        processor = None if self._manager is None else self._manager.batch_processor
        if processor is None:
            return None
        return 1.0 - float(processor.cache.get_num_free_blocks() / processor.cache.num_blocks)

    @property
    def failure(self) -> str | None:
        return self._failure

    @property
    def network(self) -> Any:
        """The model that it runs; None once it is closed."""
        return self._model

    async def idle(self) -> None:
        await self._slots.idle()

    async def failed(self) -> str:
        await self._failed.wait()
        return self._failure or ""

    async def start(self) -> None:
        """Start the thread and generate one token, so that what cannot work fails here and not for a user.

        Raises `EngineFailed`, and `CannotRun` where the cache that was made holds no request of full length.
        """
        self._manager = await asyncio.to_thread(self._make_manager)
        self._manager.start()
        self._watching = asyncio.create_task(self._watch(), name=f"{self.name} watch")
        warm_up = GenerationRequest(
            id="warm-up", prompt_ids=(0,) * 8, max_tokens=1, sampling=Sampling(top_k=1)
        )
        try:
            async with self.generate(warm_up) as steps:
                async for _ in steps:
                    pass
            self._check_cache()
        except WorkerError:
            await self.close()
            raise

    def _check_cache(self) -> None:
        """A request that outgrows the whole cache would end the thread."""
        cache = self._manager.batch_processor.cache
        shape = CacheShape.of(self._model.config.get_text_config(), self._model.dtype.itemsize)
        needed = shape.blocks(self.context_length, cache.block_size)
        if cache.num_blocks < needed:
            raise CannotRun(
                f"A request of {self.context_length} tokens needs {needed} blocks of the KV cache and there is "
                f"memory for {cache.num_blocks}: lower the preset's context_length, or free GPU memory."
            )

    async def close(self) -> None:
        if self._closing is None:
            self._closed = True
            self._closing = asyncio.ensure_future(self._shut_down())
        # Whoever is cancelled while waiting for it leaves no half-closed engine behind.
        await asyncio.shield(self._closing)

    async def _shut_down(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._manager is not None:
            await asyncio.to_thread(self._stop_manager)
        for inbox in self._inboxes.values():
            inbox.put_error("The engine was closed.")
        # Whoever still holds a closed engine shall not hold a model's memory with it.
        self._manager = self._model = None

    def generate(self, request: GenerationRequest) -> Generation:
        if self._failure is not None or self._closed or self._manager is None:
            raise EngineFailed(self._failure or "It is not running.")
        length = len(request.prompt_ids) + request.max_tokens
        if length > self.context_length:
            raise RequestRefused(
                f"Prompt and answer have {length} tokens, and the context takes {self.context_length}.",
                field="max_tokens",
            )
        seat = self._slots.reserve()
        return Generation(seat, self._steps(request, seat))

    async def _steps(self, request: GenerationRequest, seat: Seat) -> AsyncGenerator[Step, None]:
        try:
            await seat.granted()
            if self._failure is not None or self._closed:
                raise EngineFailed(self._failure or "It was closed.")
            # A client may use one id twice; the engine's are its own.
            number = f"{next(self._numbers)}"
            inbox = self._inboxes[number] = _Inbox(request)
            try:
                self._submit(number, request, inbox)
                while not inbox.finished:
                    yield await inbox.step()
            except EngineError as error:
                if (
                    self._closed
                    or self._manager.background_thread_status.can_accept_new_requests() is not None
                ):
                    raise EngineFailed(str(error)) from error
                raise
            finally:
                del self._inboxes[number]
                if not inbox.finished:
                    self._cancel(number)
        finally:
            seat.release()

    def _submit(self, number: str, request: GenerationRequest, inbox: _Inbox) -> None:
        from model.engine.sampling import SamplingState

        self._manager.register_result_handler(number, inbox.put)
        accepted = self._manager.add_request(
            list(request.prompt_ids),
            request_id=number,
            max_new_tokens=request.max_tokens,
            streaming=True,
            eos_token_id=sorted(request.stop_token_ids),
            sampling=SamplingState(request.sampling, len(request.prompt_ids), self._line_breaks),
        )
        if accepted is None:
            raise EngineFailed(self._failure or "It accepts no more requests.")

    def _cancel(self, number: str) -> None:
        """Take effect before the engine's next step."""
        if self._manager is None:
            return
        self._cancelled.add(number)
        self._manager.cancel_request(number)

    def _make_manager(self) -> Any:
        from transformers import ContinuousBatchingConfig, GenerationConfig, LogitsProcessorList
        from transformers.generation.continuous_batching.cb_logits_processors import (
            ContinuousBatchingLogitsProcessorList,
        )

        from model.engine.attention import attend_by_request
        from model.engine.sampling import SamplingProcessor

        size = self.size
        if size.attend_by_request:
            attend_by_request(self._model)
        manager = self._model.init_continuous_batching(
            # The processor chooses; what is left to transformers is the argmax.
            generation_config=GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0),
            continuous_batching_config=ContinuousBatchingConfig(
                block_size=size.block_size,
                num_blocks=size.num_blocks,
                max_batch_tokens=size.max_batch_tokens,
                max_memory_percent=size.memory_percent(free_gpu_memory),
                max_requests_per_batch=size.slots,
                allow_block_sharing=size.prefix_sharing,
                use_cuda_graph=False,
                use_async_batching=False,
                per_request_processors=True,
            ),
        )
        processors = ContinuousBatchingLogitsProcessorList(
            LogitsProcessorList([SamplingProcessor()]), per_request_processors=True
        )
        processors.tensors_required = 1
        manager.logit_processor = processors
        return manager

    def _stop_manager(self) -> None:
        from model.engine.attention import attend_plainly

        self._manager.stop(block=True, timeout=_STOP_SECONDS, hard_stop=True)
        attend_plainly(self._model)

    async def _watch(self) -> None:
        """Notice a thread that has died or waits for nothing, and forget requests that are cancelled for good."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            error = self._manager.background_thread_status.fatal_error
            if error is not None or not self._manager.is_running():
                self._fail(f"{type(error).__name__}: {error}" if error else "Its thread has ended.")
                return
            self._let_in()
            self._forget_cancelled()

    def _fail(self, reason: str) -> None:
        log.error("the engine %s has failed: %s", self.name, reason)
        self._failure = reason
        self._failed.set()
        for inbox in self._inboxes.values():
            inbox.put_error(reason)

    def _let_in(self) -> None:
        """Where the cache ran short, transformers lets nobody in until a request ends: it does not count those that
        are cancelled or fail, and would wait for ever once none is left.

        A thread that has meanwhile closed the door again only lets somebody in too early, and closes it anew.
        """
        processor = self._manager.batch_processor
        if processor is not None and not processor.scheduler.active_requests:
            processor.scheduler.block_new_requests = False

    def _forget_cancelled(self) -> None:
        """A cancelled request gets no last result, so its handler is taken out here.

        A cancellation that overtakes its request on their two queues is without effect and sent again.
        """
        if not self._cancelled or self._manager.batch_processor is None:
            return
        scheduler, router = self._manager.batch_processor.scheduler, self._manager.output_router
        for number in list(self._cancelled):
            if number in scheduler.active_requests or number in scheduler.waiting_requests:
                self._manager.cancel_request(number)
            else:
                router.result_handlers.pop(number, None)
                self._cancelled.discard(number)


class _Inbox:
    """What the engine's thread has delivered for one request, until the generation takes it."""

    def __init__(self, request: GenerationRequest) -> None:
        self._request = request
        self._arrived = asyncio.Event()
        self._tokens: list[int] = []
        self._taken = 0
        self._ended = False
        self._error: str | None = None
        self.finished = False
        """Whether the engine is done with it, so that there is nothing to cancel."""

    def put(self, output: Any) -> None:
        """Called in the event loop, with all the tokens so far each time."""
        self._tokens = output.generated_tokens
        self._ended = output.is_finished()
        self._error = self._error or output.error
        self._arrived.set()

    def put_error(self, reason: str) -> None:
        self._error = self._error or reason
        self._arrived.set()

    async def step(self) -> Step:
        """The tokens since the last step, at least one. Raises `EngineError`."""
        await self._arrived.wait()
        self._arrived.clear()
        if self._error is not None:
            self.finished = True
            raise EngineError(self._error)
        tokens = tuple(self._tokens[self._taken :])
        self._taken = len(self._tokens)
        if not self._ended:
            return Step(tokens)
        self.finished = True
        stopped = bool(tokens) and tokens[-1] in self._request.stop_token_ids
        return Step(tokens, "stop" if stopped else "length")


def free_gpu_memory() -> int:
    """Bytes of the first GPU that torch has not taken; transformers sizes its caches by the same figure."""
    import torch

    free, total = torch.cuda.mem_get_info()
    taken = max(torch.cuda.memory_reserved(), torch.cuda.memory_allocated())
    return min(int(total) - taken, int(free) + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())

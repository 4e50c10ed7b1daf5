"""The worker, as the bot sees it: any server that speaks OpenAI's chat API. Nothing but the `openai` client is
used, so ours, vLLM, SGLang, llama.cpp and Ollama all will do; what only some know is used where it is there."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from bot.errors import (
    ModelMissing,
    WorkerAsleep,
    WorkerBusy,
    WorkerError,
    WorkerRefused,
    WorkerUnreachable,
)
from model.conversation import TOKENS_PER_MESSAGE, ChatMessage, estimate_tokens

if TYPE_CHECKING:
    from openai import APIError, APIStatusError, AsyncOpenAI
    from openai.types import Model

log = logging.getLogger(__name__)

# Where a server does not say how long its context is: Llama 3's.
_DEFAULT_WINDOW = 8192
_DEFAULT_SLOTS = 4
# Codes of errors in the middle of an answer that mean: ask again. Ours, and the statuses that vLLM puts there.
_ASK_AGAIN = frozenset({"worker_stopping", "worker_sleeping", "worker_loading", "queue_full", "429", "503"})
_ASLEEP = "worker_sleeping"
# How an answer ends that the server gave up, to sleep or to load other weights (vLLM's FINISH_REASON_STRINGS).
_GIVEN_UP = frozenset({"abort", "error"})
_RETRY_SECONDS = 2.0
# No token of a language has as many characters: what goes on beyond does not keep to its limit, and is not read.
_MOST_CHARACTERS = 64


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker said of itself. `window` is in tokens; `continues`: it can go on with an unfinished answer;
    `ours`: it renders prompts with `model.prompt`, so that text from people needs no breaking up."""

    model: str
    window: int
    slots: int
    continues: bool
    counts: bool
    ours: bool


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer. `finish_reason`, `model` and `fingerprint` come with the last one."""

    text: str
    finish_reason: str | None = None
    model: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Generation:
    """What the worker is asked for. With `continues`, the last message is an answer to go on with. `model` is which of
    its models is to answer, `guild_id` for which server: that decides where no model is named."""

    messages: Sequence[ChatMessage]
    max_tokens: int
    request_id: str
    continues: bool = False
    guild_id: int | None = None
    model: str | None = None


class Worker(Protocol):
    """Writes answers."""

    async def describe(self, *, fresh: bool = False) -> WorkerInfo:
        """What it is; cached until it fails, or until it is asked `fresh`."""
        ...

    def write(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece. Closing the generator frees the worker's slot."""
        ...

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Length of the prompt in tokens; an estimate on the safe side where the server does not count."""
        ...


def translate(error: Exception) -> WorkerError:
    """An error of the client or of its connection, in our terms."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _of_status(error, f"{error.status_code}: {_reason(error)}")
    if isinstance(error, openai.APIConnectionError):
        return WorkerUnreachable(f"{error.message} ({error.__cause__!r})")
    if isinstance(error, openai.APIError):  # in the middle of an answer, where there is no status any more
        if error.code == _ASLEEP:
            return WorkerAsleep(_reason(error), retry_after=_RETRY_SECONDS)
        if error.code in _ASK_AGAIN:
            return WorkerBusy(_reason(error), retry_after=_RETRY_SECONDS)
        return WorkerError(_reason(error))
    return WorkerError(f"{type(error).__name__}: {error}"[:300])


def _of_status(error: APIStatusError, reason: str) -> WorkerError:
    if error.status_code in (429, 503):
        header = error.response.headers.get("Retry-After", "")
        kind = WorkerAsleep if error.code == _ASLEEP else WorkerBusy
        return kind(reason, retry_after=float(header) if header.isdecimal() else _RETRY_SECONDS)
    # 404: its model was changed under us, and we ask anew what it has; 408: it was too slow, or we were.
    if error.status_code == 404:
        return ModelMissing(reason)
    if error.status_code < 500 and error.status_code != 408:
        return WorkerRefused(reason)
    return WorkerError(reason)


def _reason(error: APIError) -> str:
    """The server's own sentence, where its error is one or has the usual shape."""
    told = error.body.get("message") if isinstance(error.body, dict) else error.body
    return str(told if told and isinstance(told, str) else error.message)[:300]


class OpenAIWorker:
    """A worker over HTTP."""

    def __init__(self, client: AsyncOpenAI, *, model: str | None = None, slots: int = 0) -> None:
        self._client = client
        self._model = model
        self._slots = slots
        self._info: WorkerInfo | None = None

    async def describe(self, *, fresh: bool = False) -> WorkerInfo:
        """Its models, window and slots.

        Raises:
            WorkerError: it cannot be reached or lists no model.
        """
        if fresh or self._info is None:
            self._info = await self._ask()
        return self._info

    async def _ask(self) -> WorkerInfo:
        try:
            models = (await self._client.models.list()).data
        except Exception as error:
            raise translate(error) from error
        if not models:
            raise WorkerRefused("the worker lists no model")
        chosen = next((m for m in models if m.id == self._model), None)
        if chosen is None and self._model is not None:
            raise WorkerRefused(f"the worker has no model {self._model!r}; it has {[m.id for m in models]}")
        chosen = chosen or models[0]
        ours = chosen.owned_by == "fanfabler"
        known = ours or chosen.owned_by == "vllm"
        return WorkerInfo(
            model=chosen.id,
            window=_window(chosen, models),
            slots=self._slots or int((chosen.model_extra or {}).get("slots") or _DEFAULT_SLOTS),
            continues=known,
            counts=known,
            ours=ours,
        )

    async def write(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        """Stream an answer.

        Raises:
            WorkerUnreachable: nobody there. WorkerBusy: its queue is full. WorkerRefused: the request is wrong.
            WorkerError: it broke, perhaps in the middle of the answer.
        """
        from openai import AsyncStream

        info = await self.describe()
        body: dict[str, Any] = {
            "model": generation.model or info.model,
            "messages": list(generation.messages),
            "max_tokens": generation.max_tokens,
            "stream": True,
        }
        if generation.continues and info.continues:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        try:
            # As plain objects: with a hundred answers at once, making a model of each chunk would be most of the work.
            stream = await self._client.post(
                "/chat/completions",
                cast_to=object,
                body=body,
                options={"headers": {"X-Request-ID": generation.request_id}},
                stream=True,
                stream_cls=AsyncStream[object],
            )
            ended = None
            room = generation.max_tokens * _MOST_CHARACTERS
            async with stream:
                async for chunk in cast("AsyncIterable[dict[str, Any]]", stream):
                    for choice in chunk.get("choices") or ():
                        ended = choice.get("finish_reason") or ended
                        text = ((choice.get("delta") or {}).get("content") or "")[: room + 1]
                        if len(text) > room:
                            log.warning("the worker writes on beyond %d tokens", generation.max_tokens)
                            ended = "length"
                        yield Piece(
                            text[:room],
                            None if ended in _GIVEN_UP else choice.get("finish_reason") or ended,
                            chunk.get("model"),
                            chunk.get("system_fingerprint"),
                        )
                        if len(text) > room:
                            return
                        room -= len(text)
        except Exception as error:
            self._info = None
            raise translate(error) from error
        if ended in _GIVEN_UP:
            raise WorkerBusy("the worker gave the answer up", retry_after=_RETRY_SECONDS)
        if ended is None:
            raise WorkerError("the worker's answer broke off")

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Length of the prompt in tokens, from the worker's `/tokenize` where it has one."""
        import openai

        info = await self.describe()
        if not info.counts:
            return _estimate(messages)
        try:
            answer = await self._client.post(
                self._root() + "/tokenize",
                cast_to=object,
                body={"model": info.model, "messages": list(messages)},
            )
        except openai.NotFoundError as error:
            if error.param == "model":
                self._info = None
                raise translate(error) from error
            # What stands in front of the server lets only /v1 through.
            self._info = replace(info, counts=False)
            return _estimate(messages)
        except Exception as error:
            self._info = None
            raise translate(error) from error
        return int(answer["count"])  # type: ignore[index]

    def _root(self) -> str:
        """The server's address without `/v1`, where vLLM's own endpoints are."""
        return str(self._client.base_url).rstrip("/").removesuffix("/v1")


def _window(model: Model, models: Sequence[Model]) -> int:
    """A model's context in tokens. vLLM says it of its base models alone: an adapter has its parent's."""
    extra = model.model_extra or {}
    told = extra.get("max_model_len")
    if told is None and (parent := extra.get("parent")) is not None:
        told = next(((m.model_extra or {}).get("max_model_len") for m in models if m.id == parent), None)
    return int(told or _DEFAULT_WINDOW)


def _estimate(messages: Sequence[ChatMessage]) -> int:
    return sum(estimate_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in messages)


def open_client(url: str, token: str | None) -> AsyncOpenAI:
    """The client for a worker's address. It retries nothing itself: the queue does. It goes over aiohttp, which takes
    a fraction of the processor time for streams."""
    from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

    timeout = Timeout(None, connect=5.0, read=120.0, write=30.0, pool=30.0)
    return AsyncOpenAI(
        base_url=url,
        api_key=token or "none",
        max_retries=0,
        timeout=timeout,
        http_client=DefaultAioHttpClient(timeout=timeout),
    )

"""The worker, as the bot sees it: any server that speaks OpenAI's chat API. Nothing but the `openai` client is
used, so ours, vLLM, SGLang, llama.cpp and Ollama all will do; what only some know is used where it is there."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from bot.errors import WorkerBusy, WorkerError, WorkerRefused, WorkerUnreachable
from model.conversation import TOKENS_PER_MESSAGE, ChatMessage, estimate_tokens

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = logging.getLogger(__name__)

# Where a server does not say how long its context is: Llama 3's.
_DEFAULT_WINDOW = 8192
_DEFAULT_SLOTS = 4


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
    """What the worker is asked for. With `continues`, the last message is an answer to go on with."""

    messages: Sequence[ChatMessage]
    max_tokens: int
    request_id: str
    continues: bool = False


class Worker(Protocol):
    """Writes answers."""

    async def describe(self) -> WorkerInfo:
        """What it is; cached until it fails."""
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
        reason = str(error.message)[:300]
        if error.status_code in (429, 503):
            header = error.response.headers.get("Retry-After", "")
            return WorkerBusy(reason, retry_after=float(header) if header.isdigit() else 2.0)
        if error.status_code == 404:  # its model was changed under us: ask anew what it has
            return WorkerError(f"{error.status_code}: {reason}")
        if error.status_code < 500:
            return WorkerRefused(f"{error.status_code}: {reason}")
        return WorkerError(f"{error.status_code}: {reason}")
    if isinstance(error, openai.APIConnectionError):
        return WorkerUnreachable(f"{error.message} ({error.__cause__!r})")
    return WorkerError(f"{type(error).__name__}: {error}"[:300])


class OpenAIWorker:
    """A worker over HTTP."""

    def __init__(self, client: AsyncOpenAI, *, model: str | None = None, slots: int = 0) -> None:
        self._client = client
        self._model = model
        self._slots = slots
        self._info: WorkerInfo | None = None

    async def describe(self) -> WorkerInfo:
        """Its models, window and slots.

        Raises:
            WorkerError: it cannot be reached or lists no model.
        """
        if self._info is None:
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
        extra: dict[str, Any] = chosen.model_extra or {}
        ours = chosen.owned_by == "fanfabler"
        known = ours or chosen.owned_by == "vllm"
        return WorkerInfo(
            model=chosen.id,
            window=int(extra.get("max_model_len") or _DEFAULT_WINDOW),
            slots=self._slots or int(extra.get("slots") or _DEFAULT_SLOTS),
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
        info = await self.describe()
        extra: dict[str, Any] = {}
        if generation.continues and info.continues:
            extra = {"continue_final_message": True, "add_generation_prompt": False}
        try:
            stream = await self._client.chat.completions.create(
                model=info.model,
                messages=cast("Any", list(generation.messages)),
                max_tokens=generation.max_tokens,
                stream=True,
                extra_body=extra or None,
                extra_headers={"X-Request-ID": generation.request_id},
            )
            finished = False
            async with stream:
                async for chunk in stream:
                    for choice in chunk.choices:
                        finished = finished or choice.finish_reason is not None
                        yield Piece(
                            choice.delta.content or "",
                            choice.finish_reason,
                            chunk.model,
                            chunk.system_fingerprint,
                        )
        except Exception as error:
            self._info = None
            raise translate(error) from error
        if not finished:
            raise WorkerError("the worker's answer broke off")

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Length of the prompt in tokens, from the worker's `/tokenize` where it has one."""
        info = await self.describe()
        if not info.counts:
            return sum(estimate_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in messages)
        try:
            answer = await self._client.post(
                self._root() + "/tokenize",
                cast_to=object,
                body={"model": info.model, "messages": list(messages)},
            )
        except Exception as error:
            self._info = None
            raise translate(error) from error
        return int(answer["count"])  # type: ignore[index]

    def _root(self) -> str:
        """The server's address without `/v1`, where vLLM's own endpoints are."""
        return str(self._client.base_url).rstrip("/").removesuffix("/v1")


def open_client(url: str, token: str | None) -> AsyncOpenAI:
    """The client for a worker's address. It retries nothing itself: the queue does."""
    from openai import AsyncOpenAI, Timeout

    return AsyncOpenAI(
        base_url=url,
        api_key=token or "none",
        max_retries=0,
        timeout=Timeout(None, connect=5.0, read=120.0, write=30.0, pool=30.0),
    )

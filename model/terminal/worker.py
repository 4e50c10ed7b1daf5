"""The worker as the chat sees it: whatever speaks OpenAI's chat API, with the `openai` client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from model.conversation import TOKENS_PER_MESSAGE, ChatMessage, break_special_tokens, estimate_tokens
from model.terminal.errors import ChatError, NoSuchModel, WorkerAway

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_DEFAULT_WINDOW = 8192


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model of the worker's. `base`: the base model's name, where it is an adapter. `ours`: it is served by this
    project's worker, which takes text from people for nothing but text."""

    name: str
    base: str | None
    window: int
    ours: bool
    counts: bool


class ChatWorker:
    """Talks to a worker; one model is chosen at a time."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self.models: list[ChatModel] = []
        self.model: ChatModel | None = None

    async def connect(self, name: str | None = None) -> None:
        """Ask what it has, and choose a model: the one of this name, else the first.

        Raises `ChatError`.
        """
        with _in_words(str(self._client.base_url)):
            cards = (await self._client.models.list()).data
        extras = {card.id: card.model_extra or {} for card in cards}
        self.models = [
            ChatModel(
                name=card.id,
                base=(base := extras[card.id].get("parent")),
                window=int(
                    extras[card.id].get("max_model_len")
                    or extras.get(base or "", {}).get("max_model_len")
                    or _DEFAULT_WINDOW
                ),
                ours=card.owned_by == "fanfabler",
                counts=card.owned_by in ("fanfabler", "vllm"),
            )
            for card in cards
        ]
        if not self.models:
            raise NoSuchModel("The worker lists no model.")
        self.choose(name or self.models[0].name)

    def choose(self, name: str) -> None:
        """Have answers written by this model from now on. Raises `NoSuchModel`."""
        found = next((model for model in self.models if model.name == name), None)
        if found is None:
            served = ", ".join(model.name for model in self.models)
            raise NoSuchModel(f"The worker has no model '{name}'; it has: {served}.")
        self.model = found

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """The prompt's length, from the worker where it counts, else an estimate on the safe side."""
        model = self._chosen()
        estimate = sum(estimate_tokens(message["content"]) + TOKENS_PER_MESSAGE for message in messages)
        if not model.counts:
            return estimate
        from openai import APIError

        root = str(self._client.base_url).rstrip("/").removesuffix("/v1")
        body = {"model": model.name, "messages": self._for_worker(messages)}
        try:
            told = cast(
                "dict[str, Any]", await self._client.post(f"{root}/tokenize", cast_to=object, body=body)
            )
        except APIError:
            return estimate  # what is wrong will be said when the answer is asked for
        return int(told["count"])

    async def write(
        self, messages: Sequence[ChatMessage], sampling: dict[str, Any]
    ) -> AsyncGenerator[str, None]:
        """The answer's text as it comes; closing the generator ends it. Raises `ChatError`."""
        model = self._chosen()
        ended = None
        with _in_words(str(self._client.base_url)):
            stream = await self._client.chat.completions.create(
                model=model.name,
                messages=cast("Any", self._for_worker(messages)),
                stream=True,
                extra_body=sampling or None,
            )
            async with stream:
                async for chunk in stream:
                    for choice in chunk.choices:
                        ended = choice.finish_reason or ended
                        if choice.delta.content:
                            yield choice.delta.content
        if ended is None:
            raise ChatError("The worker's answer broke off. /regenerate has it written anew.")

    def _chosen(self) -> ChatModel:
        if self.model is None:
            raise NoSuchModel("No model is chosen.")
        return self.model

    def _for_worker(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        if self._chosen().ours:
            return list(messages)
        return [{"role": m["role"], "content": break_special_tokens(m["content"])} for m in messages]


@contextmanager
def _in_words(url: str) -> Iterator[None]:
    """Turn the client's errors into sentences."""
    import openai

    try:
        yield
    except openai.AuthenticationError:
        raise ChatError("The worker wants another token: give it with --token or WORKER_TOKEN.") from None
    except openai.APIStatusError as error:
        told = error.body.get("message") if isinstance(error.body, dict) else error.body
        again = error.response.headers.get("Retry-After")
        hint = f" Try again in {again} seconds." if again else ""
        raise ChatError(f"The worker says: {str(told or error.message).rstrip('.')}.{hint}") from None
    except openai.APITimeoutError:
        raise WorkerAway(f"The worker at {url} does not answer in time.") from None
    except openai.APIConnectionError:
        raise WorkerAway(
            f"Nobody answers at {url}. Start a worker there (python -m model serve), or leave --url out to have "
            "one started here."
        ) from None
    except openai.APIError as error:
        raise ChatError(f"The worker says: {error.message}") from None

"""The seam between the server and whatever generates.

An `Engine` takes token ids and answers with token ids; prompts, text, stop strings and HTTP are the server's.
Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from model.engine.slots import EngineLoad, Seat

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, per request.

    The penalties are those of OpenAI (`frequency`, `presence`: subtracted, counting the generated tokens)
    and of CTRL (`repetition_penalty`: divides or multiplies the logit of every token seen in prompt or
    answer). DRY («don't repeat yourself») keeps a text from going on as it did before: where its last n tokens
    stood in prompt or answer already, n at least `dry_allowed_length`, the token that followed them there loses
    `dry_multiplier` * `dry_base` ** (n - `dry_allowed_length`). Names and phrases are shorter than that, loops are not.

    Lines and paragraphs come again by their nature: with `penalize_nl` false (llama.cpp's name) the three penalties
    spare the tokens that are line breaks and nothing else. Else an answer ends the sooner the more paragraphs it has.

    Source of DRY: github.com/oobabooga/text-generation-webui/pull/5677, by p-e-w; here without sequence breakers.
    """

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 is no limit, 1 is greedy."""
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalize_nl: bool = True
    dry_multiplier: float = 0.0
    """0 is no DRY."""
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    seed: int | None = None

    @property
    def greedy(self) -> bool:
        return self.temperature == 0 or self.top_k == 1


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One answer to be generated."""

    id: str
    prompt_ids: tuple[int, ...]
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop_token_ids: frozenset[int] = frozenset()
    messages: tuple[tuple[str, str], ...] = ()
    """The chat as (role, content), for engines that answer by rule; a model sees `prompt_ids` only."""
    continues: bool = False
    """Whether the last message is the beginning of the answer, to be gone on with."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one or more steps of the engine added to an answer."""

    token_ids: tuple[int, ...]
    """In order; the stop token, where one ended the answer, is the last."""
    finish_reason: FinishReason | None = None
    """Set on the last step: `stop` for a stop token, `length` for `max_tokens`."""


class Generation:
    """An answer in the making: iterate over its steps, and `aclose` it to stop early and free its slot."""

    def __init__(self, seat: Seat, steps: AsyncGenerator[Step, None]) -> None:
        self._seat = seat
        self._steps = steps

    @property
    def waiting(self) -> bool:
        """Whether it is in the queue still."""
        return self._seat.waiting

    @property
    def queue_seconds(self) -> float:
        """How long it was in the queue, or has been until now."""
        return self._seat.waited

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Step:
        return await anext(self._steps)

    async def aclose(self) -> None:
        """Stop generating. Does nothing to an answer that has ended."""
        try:
            await self._steps.aclose()
        finally:
            # A generator that was never started runs no `finally` of its own.
            self._seat.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Engine(Protocol):
    """Something that generates, from `start` to `close`."""

    @property
    def load(self) -> EngineLoad:
        """Requests running and waiting now."""

    @property
    def cache_use(self) -> float | None:
        """Share of the KV cache's blocks that answers hold now; None where there is no cache."""

    @property
    def failure(self) -> str | None:
        """Why it has stopped for good, or None while it works."""

    async def start(self) -> None:
        """Get ready to generate, in the running event loop."""

    async def close(self) -> None:
        """Stop, ending whatever still runs. Safe to call twice."""

    async def idle(self) -> None:
        """Wait until nothing runs and nothing waits. It may be asked for more all the same."""

    async def failed(self) -> str:
        """Wait for a failure, and say what it was. Does not return while all is well."""

    def generate(self, request: GenerationRequest) -> Generation:
        """Accept a request at once and generate as its turn comes.

        Raises `QueueFull`, `RequestRefused` or `EngineFailed` before anything is generated; the returned
        generation raises `EngineError` where it fails on the way.
        """


class Detokenizer(Protocol):
    """Turns the tokens of one answer into text as they come, never showing half a character."""

    def feed(self, token_ids: tuple[int, ...]) -> str:
        """The text that these tokens complete."""

    def finish(self) -> str:
        """What was still held back, without the bytes of a character that never came whole."""


class ChatCodec(Protocol):
    """From messages to the ids of a prompt, and from ids back to text."""

    prompt_format: str
    transcript: bool
    """Whether the format is plain text, where white space around an answer belongs to the form."""

    def encode_chat(
        self, messages: tuple[tuple[str, str], ...], *, continue_final: bool = False
    ) -> list[int]:
        """The prompt of a chat. Raises `PromptError` where the messages have no form in this format."""

    def encode_text(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """The ids of plain text."""

    def token_text(self, token_id: int) -> str:
        """One token as text, for display."""

    def detokenizer(self, prompt_ids: tuple[int, ...]) -> Detokenizer: ...

    def stop_token_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""

    def stop_strings(self, messages: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
        """The texts that end an answer where the format has no token for it."""

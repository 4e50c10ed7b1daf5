"""An engine without a model: it streams scripted or echoed text at a given rate, and remembers what it was
asked.

It is for tests of whatever talks to the worker, and for load tests: `python -m model serve --preset fake`
puts it behind the same server, queue and stream as a model, and imports no torch.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from model.engine.base import Detokenizer, Generation, GenerationRequest, Step
from model.engine.errors import EngineError, EngineFailed
from model.engine.slots import EngineLoad, Seat, Slots

Messages = tuple[tuple[str, str], ...]

LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et "
    "dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut. "
)
_PIECE = re.compile(r"\s*\S{1,4}|\s+")
_COMMAND = re.compile(r"^!(lookup|words|fail|empty)\b[ \t]*(.*)$", re.MULTILINE)


def echo(messages: Messages) -> str:
    """The rule of the fake where it has no script: it answers with the text of the last user message.

    Lines of that message which begin with `!` steer it and are not echoed:

    - `!lookup TERM | CODE` ends the answer with the look-up tag (`>>> TERM`, `>>> CODE`), unless the term
      also stands elsewhere in the conversation, that is, once it has been looked up;
    - `!words N` answers with N words of lorem ipsum;
    - `!empty` answers with nothing;
    - `!fail` fails half-way through the answer.
    """
    last = next((content for role, content in reversed(messages) if role == "user"), "")
    commands = dict(_COMMAND.findall(last))
    text = _COMMAND.sub("", last).strip()
    if "empty" in commands:
        return ""
    if "words" in commands:
        count = int(commands["words"] or 100)
        words = (LOREM * (count // len(LOREM.split()) + 1)).split()
        text = " ".join(words[:count])
    term, _, code = (part.strip() for part in commands.get("lookup", "").partition("|"))
    if term and sum(content.count(term) for _, content in messages) == 1:
        text = f"{text}\n>>> {term}\n>>> {code or 'en'}"
    return text


class FakeCodec:
    """Tokens of up to four characters, numbered as they turn up. The same text always has the same tokens."""

    prompt_format = "plain"
    transcript = False

    def __init__(self) -> None:
        self._pieces: list[str] = ["<end>"]
        self._ids: dict[str, int] = {}

    def encode_chat(self, messages: Messages, *, continue_final: bool = False) -> list[int]:
        ids = self.encode_text("".join(f"{role}: {content}\n" for role, content in messages))
        return ids[:-1] if continue_final else ids

    def encode_text(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [self._id(piece) for piece in _PIECE.findall(text)]

    def token_text(self, token_id: int) -> str:
        return self._pieces[token_id]

    def detokenizer(self, prompt_ids: tuple[int, ...]) -> Detokenizer:
        return _FakeDetokenizer(self)

    def stop_token_ids(self) -> frozenset[int]:
        return frozenset({0})

    def stop_strings(self, messages: Messages) -> tuple[str, ...]:
        return ()

    def _id(self, piece: str) -> int:
        known = self._ids.get(piece)
        if known is None:
            known = self._ids[piece] = len(self._pieces)
            self._pieces.append(piece)
        return known


class _FakeDetokenizer:
    def __init__(self, codec: FakeCodec) -> None:
        self._codec = codec

    def feed(self, token_ids: tuple[int, ...]) -> str:
        return "".join(self._codec.token_text(token_id) for token_id in token_ids if token_id)

    def finish(self) -> str:
        return ""


class FakeEngine:
    """Streams text token by token.

    `replies` is either a rule from messages to text, or texts that are answered one after the other before
    the rule `echo` takes over. `tokens_per_second` is per request; None is as fast as the loop goes.
    `requests` has every request it was given, the oldest first.
    """

    def __init__(
        self,
        codec: FakeCodec | None = None,
        *,
        replies: Callable[[Messages], str] | Iterable[str] = (),
        tokens_per_second: float | None = None,
        slots: int = 16,
        queue_limit: int = 64,
    ) -> None:
        self.codec = codec or FakeCodec()
        self.tokens_per_second = tokens_per_second
        self.requests: list[GenerationRequest] = []
        self.cancelled: list[str] = []
        """Ids of the requests that were closed before they had ended."""
        self._rule = replies if callable(replies) else echo
        self._scripted = deque[str]() if callable(replies) else deque(replies)
        self._slots = Slots(slots, queue_limit)
        self._failure: str | None = None
        self._failed = asyncio.Event()

    @property
    def load(self) -> EngineLoad:
        return self._slots.load

    @property
    def cache_use(self) -> float | None:
        return None

    @property
    def failure(self) -> str | None:
        return self._failure

    async def start(self) -> None:
        """Nothing to be made ready."""

    async def close(self) -> None:
        """Nothing to be put away."""

    async def idle(self) -> None:
        await self._slots.idle()

    async def failed(self) -> str:
        await self._failed.wait()
        return self._failure or ""

    def another(self) -> FakeEngine:
        """One more like this, which echoes."""
        return FakeEngine(
            self.codec,
            tokens_per_second=self.tokens_per_second,
            slots=self._slots.slots,
            queue_limit=self._slots.queue_limit,
        )

    def break_down(self, reason: str = "told to fail") -> None:
        """Fail for good, as an engine whose thread has crashed."""
        self._failure = reason
        self._failed.set()

    def script(self, *replies: str) -> None:
        """Texts for the next requests, in this order."""
        self._scripted.extend(replies)

    def generate(self, request: GenerationRequest) -> Generation:
        if self._failure is not None:
            raise EngineFailed(self._failure)
        seat = self._slots.reserve()
        self.requests.append(request)
        return Generation(seat, self._steps(request, seat))

    async def _steps(self, request: GenerationRequest, seat: Seat) -> AsyncGenerator[Step, None]:
        finished = False
        try:
            await seat.granted()
            tokens, fails_at = self._answer(request)
            for number, token_id in enumerate(tokens[: request.max_tokens], 1):
                await asyncio.sleep(1 / self.tokens_per_second if self.tokens_per_second else 0)
                if self._failure is not None:
                    raise EngineFailed(self._failure)
                if number > fails_at:
                    finished = True
                    raise EngineError("The fake engine was told to fail.")
                if token_id in request.stop_token_ids:
                    finished = True
                    yield Step((token_id,), "stop")
                    return
                if number == request.max_tokens:
                    finished = True
                    yield Step((token_id,), "length")
                    return
                yield Step((token_id,))
        finally:
            if not finished:
                self.cancelled.append(request.id)
            seat.release()

    def _answer(self, request: GenerationRequest) -> tuple[Sequence[int], float]:
        """The tokens to stream, the end token last, and after how many of them to fail."""
        text = self._scripted.popleft() if self._scripted else self._rule(request.messages)
        if request.continues and request.messages:
            text = text.removeprefix(request.messages[-1][1])
        tokens = self.codec.encode_text(text)
        wants_failure = any(
            role == "user" and re.search(r"^!fail\b", content, re.MULTILINE)
            for role, content in request.messages[-1:]
        )
        return [*tokens, 0], len(tokens) // 2 if wants_failure else float("inf")

"""Asks the model: from the journal what was paid for already, from the server what was not.

One call goes through the limiter, the budget and the journal, in this order; it is noted before it is sent,
and its answer is on the disk before anybody reads it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import openai
from pydantic import BaseModel, Field, ValidationError

from model.conversation import TOKENS_PER_MESSAGE, ChatMessage, estimate_tokens
from training.generation.budget import Budget, Prices
from training.generation.concurrency import Limiter
from training.generation.dialect import Dialect, DialectMemory
from training.generation.errors import (
    BadOutput,
    BudgetReached,
    CallFailed,
    CallRefused,
    ServerRefuses,
    Stopped,
)
from training.generation.failures import Failure, Verdict, judge
from training.generation.journal import Journal, PaidReply, Usage
from training.generation.progress import Tally
from training.generation.reading import check_language
from training.generation.requests import ReplyForm, Request
from training.generation.stages import Stage

Result = TypeVar("Result")

TRIES = 8
"""How often a call is sent at most, in one round."""
FIRST_TRIES = 4
"""The same for the very first call, which finds out whether anybody is there."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two tries of a call, doubled each time."""
MORE_ROOM = """\
a limit of tokens, against which what a model thinks counts too: give --max-tokens, or have it think less with \
--extra '{"reasoning_effort": "minimal"}', and --restart, or --continue-anyway with more --salvage rounds"""
FREE = Prices(0.0, 0.0, "unknown")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Whom to ask, and how. `max_tokens` stands in for the requests' own limits; `extra` goes into every body."""

    model: str
    temperature: float = 1.0
    max_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    lenient: bool = False
    """Take replies in another language, and such as were cut off: the checks will find them."""


@dataclass(slots=True)
class _Charge:
    """What a call has cost, in USD."""

    usd: float = 0.0


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Completion(BaseModel):
    """What is read of a completion, as OpenAI's API reference has it."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _TryAgain(Exception):
    """The call failed in a way that may pass."""


class Asker:
    """Answers requests, each paid for once in the life of the journals."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        settings: ModelSettings,
        journals: Mapping[Stage, Journal],
        limiter: Limiter,
        budget: Budget,
        prices: Prices | None,
        memory: DialectMemory,
        tally: Tally,
        form: ReplyForm | None = None,
    ) -> None:
        """`form` fixes the reply form, where the server need not be asked which it takes."""
        self._client = client
        self._settings = settings
        self._journals = journals
        self._limiter = limiter
        self._budget = budget
        self._prices = prices or FREE
        self._memory = memory
        self._tally = tally
        self._fixed_form = form
        known = memory.load()
        usable = known is not None and form in (None, known.form)
        self._dialect = known if known is not None and usable else Dialect(form or ReplyForm.SCHEMA)
        self._known = known is not None and usable
        """Whether an earlier run found the dialect out, so that a refusal says nothing about it."""
        self._settled = False
        self._settling = asyncio.Lock()

    @property
    def dialect(self) -> Dialect:
        """How the server is asked."""
        return self._dialect

    @property
    def stopped(self) -> Stopped | None:
        """Why no further call is made."""
        return self._limiter.stopped

    async def ask(self, request: Request[Result], round_number: int = 0) -> Result:
        """The result of a request: of the first good reply in the journal, else of a new one.

        A reply in the journal counts where it answers just this request: another configuration, or another answer
        earlier in the chat, may have asked something else under the same slot. Leniently, the first good reply still
        comes first, since a chat may have gone on from it.

        In round n, counted from 0, a request is sent if it has at most n bad replies. Raises `BadOutput`,
        `CallRefused`, `CallFailed` for this request, and `Stopped` where no further call is made.
        """
        problem: BadOutput | None = None
        digest = request.digest
        kept = self._journals[request.stage].get(request.slot).replies
        replies = [reply for reply in kept if reply.answers(digest)]
        for lenient, reply in itertools.product(sorted({False, self._settings.lenient}), replies):
            try:
                result = self._read(request, reply, lenient=lenient)
            except BadOutput as error:
                problem = error
            else:
                self._tally.done(request.stage, request.slot, fresh=False)
                return result
        if problem is not None and len(replies) > round_number:
            raise problem
        paid = await self._pay(request, str(problem) if problem else None)
        try:
            result = self._read(request, paid, lenient=self._settings.lenient)
        except BadOutput as error:
            self._tally.bad(request.stage, error.kind)
            raise
        self._tally.done(request.stage, request.slot, fresh=True)
        return result

    def _read(self, request: Request[Result], reply: PaidReply, *, lenient: bool) -> Result:
        """The result of a reply. Raises `BadOutput`."""
        if reply.finish in {"content_filter", "refusal"}:
            raise BadOutput("the model refused", "refused")
        if reply.finish == "length" and not lenient:
            raise BadOutput("it was too long and was cut off", "cut off", MORE_ROOM)
        result = request.result(reply.text, ReplyForm(reply.form))
        if not lenient:
            for text in request.texts(result):
                check_language(text, request.language)
        return result

    async def _pay(self, request: Request[Any], complaint: str | None) -> PaidReply:
        if not self._settled:
            # The first call finds out how the server wants to be asked; the others wait for it.
            async with self._settling:
                if not self._settled:
                    return await self._call(request, complaint)
        return await self._call(request, complaint)

    async def _call(self, request: Request[Any], complaint: str | None) -> PaidReply:
        why = ""
        tries = TRIES if self._settled else FIRST_TRIES
        for attempt in range(tries):
            if attempt:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
                await self._limiter.rest(pause * random.uniform(0.7, 1.3))
            try:
                async with self._limiter.turn(request.stage.depth) as begun_at:
                    return await self._send(request, complaint, begun_at)
            except _TryAgain as again:
                why = str(again)
        if not self._settled:
            raise self._stop(f"The server did not answer {tries} times in a row: {why}")
        raise CallFailed(f"{request.slot}: {why}")

    async def _send(self, request: Request[Any], complaint: str | None, begun_at: float) -> PaidReply:
        while True:
            dialect = self._dialect
            messages = request.messages(dialect.form, complaint)
            worst = self._worst(request, messages)
            async with self._charged(worst) as charge:
                journal = self._journals[request.stage]
                call = journal.sent(request.slot, worst)
                try:
                    answer = await self._complete(request, messages, dialect)
                except openai.APIError as error:
                    failure = judge(error)
                    if failure.lost:
                        charge.usd = worst.usd
                        journal.lost(call, request.slot, worst, failure.why[:300])
                    else:
                        journal.refused(call, request.slot, failure.why[:300])
                        if self._speak_differently(dialect, error):
                            continue
                    raise self._failed(failure, begun_at) from error
                reply = self._reply(answer, worst, dialect, request.digest)
                if reply is None:
                    charge.usd = worst.usd
                    why = "an answer without a completion in it"
                    journal.lost(call, request.slot, worst, why)
                    raise self._failed(Failure(Verdict.AGAIN, why, lost=True), begun_at)
                charge.usd = reply.usage.usd
                await journal.answered(call, request.slot, reply)
                self._succeeded(dialect)
                return reply

    async def _complete(self, request: Request[Any], messages: list[ChatMessage], dialect: Dialect) -> Any:
        """The JSON that the server sends back, a completion or not. Raises `openai.APIError`."""
        limit = self._settings.max_tokens or request.max_tokens
        body = {
            "model": self._settings.model,
            "messages": messages,
            **dialect.parameters(request, limit, self._settings.temperature),
            **self._settings.extra,
        }
        # The client's `create` goes through the types of all this, which takes half of a call's CPU time.
        return await self._client.post("/chat/completions", cast_to=object, body=body)

    @asynccontextmanager
    async def _charged(self, worst: Usage) -> AsyncIterator[_Charge]:
        """Room in the budget for a call; what is put into the charge is spent. Raises `BudgetReached`."""
        try:
            await self._budget.reserve(worst.usd)
        except BudgetReached as reached:
            self._limiter.stop(reached)
            raise
        charge = _Charge()
        try:
            yield charge
        finally:
            await self._budget.settle(worst.usd, charge.usd)

    def _worst(self, request: Request[Any], messages: list[ChatMessage]) -> Usage:
        """The most that a call can take, in tokens and USD."""
        texts = [message["content"] for message in messages]
        if self._dialect.form is ReplyForm.SCHEMA:
            texts.append(str(request.schema()))
        prompt = sum(_most_tokens(text) + TOKENS_PER_MESSAGE for text in texts)
        return self._prices.usage(prompt, self._settings.max_tokens or request.max_tokens)

    def _reply(self, answer: Any, worst: Usage, dialect: Dialect, digest: str) -> PaidReply | None:
        """What the server answered; None for something that is no completion, as gateways send it."""
        try:
            completion = _Completion.model_validate(answer)
        except ValidationError:
            return None
        choice = completion.choices[0]
        text = choice.message.content or ""
        finish = "refusal" if choice.message.refusal else choice.finish_reason or "stop"
        if completion.usage is not None:
            usage = self._prices.usage(completion.usage.prompt_tokens, completion.usage.completion_tokens)
        else:
            usage = self._prices.usage(worst.tokens_in, estimate_tokens(text), estimated=True)
        return PaidReply(text, finish, dialect.form.value, usage, digest)

    def _succeeded(self, dialect: Dialect) -> None:
        self._limiter.succeeded()
        if not self._settled:
            self._settled = True
            self._memory.keep(dialect)

    def _speak_differently(self, refused: Dialect, error: openai.APIError) -> bool:
        """Change the dialect after a refusal, as long as no call has succeeded in it, in this run or an earlier one."""
        if self._settled or self._known or not isinstance(error, openai.APIStatusError):
            return False
        other = refused.after_refusal(error)
        if other is None or (self._fixed_form is not None and other.form is not self._fixed_form):
            return False
        self._dialect = other
        return True

    def _failed(self, failure: Failure, begun_at: float) -> Exception:
        hopeless = failure.verdict is Verdict.GIVE_UP and not (self._settled or self._known)
        if failure.verdict is Verdict.STOP or hopeless:
            return self._stop(f"The server refuses to work with this: {failure.why}")
        if failure.verdict is Verdict.GIVE_UP:
            return CallRefused(failure.why)
        self._limiter.overloaded(begun_at, failure.pause)
        self._tally.retried += 1
        return _TryAgain(failure.why)

    def _stop(self, why: str) -> ServerRefuses:
        refusal = ServerRefuses(why)
        self._limiter.stop(refusal)
        return refusal


def _most_tokens(text: str) -> int:
    """No fewer tokens than any byte-level tokenizer makes of running text; much quicker than a good estimate."""
    ascii_bytes = len(text.encode("ascii", "ignore"))
    return ascii_bytes * 2 // 3 + len(text.encode("utf-8", "replace")) - ascii_bytes + 1

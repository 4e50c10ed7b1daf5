"""Getting answers: several samples to every question, from a worker, through OpenAI's client.

What has been answered stands in a journal, so a run that is killed goes on where it was. The worker's own
sampling defaults hold, unless others are asked for: what is judged is what people get.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from training.evaluation.errors import EvaluationError
from training.evaluation.questions import Question

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam

System = Literal["bare", "base", "tuned", "compared"]
SYSTEMS: tuple[System, ...] = ("bare", "base", "tuned", "compared")
"""The base without a system prompt, the base with it, the fine-tuned model with it, and another fine-tuned one."""

TOO_LONG = "too_long"
"""`finish_reason` of a question that does not fit into the model's context."""
_RETRIES = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer; `turn` and `sample` count from 0, `text` has the tag in it."""

    system: str
    chat: str
    language: str
    turn: int
    sample: int
    text: str
    finish_reason: str

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What it answers."""
        return self.system, self.chat, self.turn, self.sample


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, of whom, how often, and with which sampling parameters beside the worker's own."""

    models: Mapping[System, str]
    """The names of the worker's models."""
    questions: Sequence[Question]
    samples: Mapping[System, int]
    """Answers to each question."""
    parameters: Mapping[str, Any]
    asked_of: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the models behind the names: weights, preset."""

    @property
    def digest(self) -> str:
        """A fingerprint of all that shapes the answers."""
        asked = [(each.chat, each.turn, each.messages) for each in self.questions]
        whole = json.dumps(
            [dict(self.models), asked, dict(self.parameters), dict(self.asked_of)], sort_keys=True
        )
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.questions) * sum(self.samples[system] for system in self.models)


class Journal:
    """The answers that there are already, a line each, after a line with the plan's fingerprint."""

    def __init__(self, path: Path, digest: str) -> None:
        """Raises `EvaluationError` for a journal of another plan."""
        self._path = path
        self.answers: dict[tuple[str, str, int, int], Answer] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            self._read(digest)
        else:
            path.write_text(json.dumps({"plan": digest}) + "\n", encoding="utf-8")

    def _read(self, digest: str) -> None:
        content = self._path.read_bytes()
        if not content.endswith(b"\n"):  # a kill in the middle of a line
            content = content[: content.rfind(b"\n") + 1]
            self._path.write_bytes(content)
        # Not splitlines(): answers may have other line ends of Unicode in them.
        head, *lines = content.decode("utf-8").removesuffix("\n").split("\n")
        if json.loads(head or "{}").get("plan") != digest:
            raise EvaluationError(
                f"{self._path} has the answers of another evaluation: choose another --output, or --restart"
            )
        for line in lines:
            answer = Answer(**json.loads(line))
            self.answers[answer.key] = answer

    def add(self, answer: Answer) -> None:
        """Keep one more."""
        self.answers[answer.key] = answer
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")


async def answer_all(
    plan: Plan, client: AsyncOpenAI, journal: Journal, *, concurrency: int, tick: Callable[[], None]
) -> list[Answer]:
    """Every answer of the plan, in its order; `tick` is called for each that is there.

    Raises `EvaluationError` where the worker fails for good.
    """
    slots = asyncio.Semaphore(concurrency)

    async def one(system: System, question: Question, sample: int) -> Answer:
        known = journal.answers.get((system, question.chat, question.turn, sample))
        if known is None:
            async with slots:
                known = await _ask(client, plan, system, question, sample)
            journal.add(known)
        tick()
        return known

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(one(system, question, sample))
                for system in plan.models
                for question in plan.questions
                for sample in range(plan.samples[system])
            ]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def _ask(client: AsyncOpenAI, plan: Plan, system: System, question: Question, sample: int) -> Answer:
    from openai import BadRequestError, OpenAIError

    def answer(text: str, finish_reason: str) -> Answer:
        return Answer(system, question.chat, question.language, question.turn, sample, text, finish_reason)

    messages = question.messages[1:] if system == "bare" else question.messages
    try:
        completion = await client.with_options(max_retries=_RETRIES).chat.completions.create(
            model=plan.models[system],
            messages=cast("list[ChatCompletionMessageParam]", list(messages)),
            seed=sample,
            extra_body=dict(plan.parameters),
        )
    except BadRequestError as error:
        if error.code == "context_length_exceeded" or "context" in str(error):
            return answer("", TOO_LONG)
        raise EvaluationError(f"the worker refused {question.chat}: {error}") from error
    except OpenAIError as error:
        raise EvaluationError(f"the worker could not answer {question.chat}: {error}") from error
    choice = completion.choices[0]
    return answer(choice.message.content or "", choice.finish_reason)


def references(asked: Iterable[Question]) -> list[Answer]:
    """The data's own answers, to be judged as if they had been sampled."""
    return [
        Answer("reference", each.chat, each.language, each.turn, 0, each.reference, "stop") for each in asked
    ]

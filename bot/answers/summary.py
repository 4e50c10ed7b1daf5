"""The rolling summary: when a branch is about to outgrow the window, its oldest turns are summed up by the model, in
the thread's language, and from then on the summary stands for them.

It is made behind an answer, while the job is still held. It gives way to whoever waits for an answer, unless turns
are being lost for want of it; nothing that goes wrong here is seen by anybody, and the next answer tries again.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.answers.aside import AsideFailed, ask_aside
from bot.answers.prompt import answer_reserve, fitted, plain_turns, whole_prompt
from bot.answers.store import AnswerStore, Work
from bot.conversations.memory import is_told
from bot.database.tables import Message, Role
from bot.moderation.guard import Guard, Spot
from bot.worker_client import Worker, WorkerInfo
from model.conversation import TOKENS_PER_MESSAGE, Turn, estimate_tokens, system_prompt
from model.detection import detect_language, letters_of
from model.errors import PromptTooLong
from model.fitting import Prompt
from model.languages import LANGUAGES
from model.summarising import summary_request, whole_sentences

log = logging.getLogger(__name__)

FULL = 0.7
"""The share of the prompt's room from which on the oldest turns are summed up."""
KEPT = 0.35
"""The share that the turns which are left may have then."""

# The share of the room that a stretch has to have.
_LEAST = 0.1
_MOST_TOKENS = 500  # of a summary
_SHARE = 6  # of the room, where that is less
# What a prompt format may add to the words of a prompt, in tokens, and all but the turns and the summary before them to
# the prompt of a summary.
_FORMAT, _TASK = 1000, 350
# A slow worker may take its time, unless the next answer cannot do without.
_PATIENCE_SECONDS, _URGENT_SECONDS = 240.0, 60.0
_LOOK_EVERY = 1.0
_ROUNDS = 4
# After a failure so many more messages are let go by before the next try.
_PAUSE = 4
# Letters of a text that can be a summary; from how many bytes on it is one that goes round in circles if it can be
# packed into this share of them.
_LEAST_LETTERS = 60
_LOOPING_FROM, _LOOPING = 400, 0.25
_MOST_PAUSED = 1000


@dataclass(frozen=True)
class Stretch:
    """What is to be summed up: all messages down to the last one covered, those of them that are new as turns."""

    covered: list[Message]
    turns: list[Turn]
    previous: str | None
    max_tokens: int
    urgent: bool


class Summariser:
    """A follow-up of answers. `max_answer_tokens` is what answers may have, and so what prompts must leave."""

    def __init__(self, worker: Worker, store: AnswerStore, guard: Guard, *, max_answer_tokens: int) -> None:
        self._worker = worker
        self._store = store
        self._guard = guard
        self._max_answer_tokens = max_answer_tokens
        self._paused: dict[int, int] = {}

    async def after(self, work: Work, stop: asyncio.Event) -> None:
        """Sum up what has to be; several stretches where there is more than the window takes at once."""
        path = [*work.path, work.answer]
        if len(path) < self._paused.get(work.conversation.id, 0):
            return
        for _ in range(_ROUNDS):
            stretch = await self._due(work, path)
            if stretch is None:
                return
            text = await self._ask(work, stretch, stop)
            if text is None:
                return
            model = (await self._worker.describe()).model
            summary = await self._store.keep_summary(work, stretch.covered, text, model)
            if summary is None:
                log.info("conversation %s changed while it was summed up", work.conversation.id)
                return
            work = replace(work, remembered=replace(work.remembered, summary=summary))

    async def _due(self, work: Work, path: list[Message]) -> Stretch | None:
        """The turns that are to be summed up now, if any."""
        info = await self._worker.describe()
        reserve = answer_reserve(info, self._max_answer_tokens)
        room = info.window - reserve
        whole = whole_prompt(work.conversation, path, work.notes, work.remembered)
        if _estimated(whole) + _FORMAT <= FULL * room:
            return None  # without asking the worker: an estimate is never too low
        scale, urgent = 1.0, True
        try:
            prompt = await fitted(self._worker, whole, reserve)
        except PromptTooLong:
            log.info("the last exchange of conversation %s fills the window", work.conversation.id)
        else:
            urgent = prompt.prompt.dropped > 0
            if prompt.wanted <= FULL * room and not urgent:
                return None
            scale = prompt.tokens / _estimated(prompt.prompt)
        return _stretch(work, path, info, room, scale, urgent=urgent)

    async def _ask(self, work: Work, stretch: Stretch, stop: asyncio.Event) -> str | None:
        """The summary, in the right language; None where there is none to be had now."""
        language = LANGUAGES[work.conversation.language]
        for again in (False, True):
            text = summary_request(
                stretch.turns,
                language,
                previous=stretch.previous,
                words=stretch.max_tokens // (2 if language.script == "Latn" else 4),
                again=again,
            )
            asking = ask_aside(
                self._worker,
                system_prompt(language, work.conversation.rating.value),
                text,
                max_tokens=stretch.max_tokens,
                patience=_URGENT_SECONDS if stretch.urgent else _PATIENCE_SECONDS,
                purpose="summary",
            )
            try:
                answer = await self._unless_awaited(asking, stop, urgent=stretch.urgent)
            except AsideFailed as error:
                log.info("no summary of conversation %s: %s", work.conversation.id, error)
                break
            if answer is None:
                return None
            summary = whole_sentences(answer)
            if (fault := fault_of(summary, language.code)) is None:
                if await self._guard.passes(summary, Spot.of(work.conversation, work.job.member_id)):
                    return summary
                break
            log.info("a summary of conversation %s %s", work.conversation.id, fault)
        self._pause(work)
        return None

    async def _unless_awaited(
        self, asking: Coroutine[Any, Any, str], stop: asyncio.Event, *, urgent: bool
    ) -> str | None:
        """The answer; None where somebody waits for an answer of theirs."""
        task = asyncio.create_task(asking, name="summary")
        try:
            while True:
                await asyncio.wait({task}, timeout=_LOOK_EVERY)
                if task.done():
                    return task.result()
                if stop.is_set() or (not urgent and await self._store.somebody_waits()):
                    return None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _pause(self, work: Work) -> None:
        self._paused[work.conversation.id] = len(work.path) + 1 + _PAUSE
        while len(self._paused) > _MOST_PAUSED:
            del self._paused[next(iter(self._paused))]


def fault_of(summary: str, language: str) -> str | None:
    """What speaks against letting a text stand for older turns; None where nothing does. Small models write a greeting
    instead, or the same sentence for ever: then the turns themselves are better, as long as there is room for them."""
    if letters_of(summary) < _LEAST_LETTERS:
        return "is no summary"
    if (found := detect_language(summary, language)) not in (language, None):
        return f"is in {found} instead of {language}"
    data = summary.encode()
    if len(data) > _LOOPING_FROM and len(zlib.compress(data)) < _LOOPING * len(data):
        return "goes round in circles"
    return None


def _estimated(prompt: Prompt) -> int:
    return sum(estimate_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in prompt.messages())


def _stretch(
    work: Work, path: Sequence[Message], info: WorkerInfo, room: int, scale: float, *, urgent: bool
) -> Stretch | None:
    """The oldest turns, so many that the others are few enough, but no more than can be summed up at once."""
    previous = work.remembered.summary
    begin = 0
    if previous is not None:
        begin = next(place for place, message in enumerate(path, 1) if message.id == previous.message_id)
    sizes = [
        round((estimate_tokens(message.content) + TOKENS_PER_MESSAGE) * scale) if is_told(message) else 0
        for message in path
    ]
    ends = _ends(path, begin)
    if not ends:
        return None
    end = next((end for end in ends if sum(sizes[end:]) <= KEPT * room), ends[-1])
    max_tokens = min(_MOST_TOKENS, room // _SHARE)
    before = round(estimate_tokens(previous.text) * scale) if previous else 0
    takes = info.window - max_tokens - _TASK - before
    end = max((each for each in ends if each <= end and sum(sizes[begin:each]) <= takes), default=ends[0])
    size = sum(sizes[begin:end])
    if not urgent and size < _LEAST * room:
        return None  # what fills the window is not the turns; they would be summed up behind every answer
    turns = plain_turns(path[begin:end], among=path)
    if size > takes:
        turns = [_shortened(turn, max(0.0, takes / size)) for turn in turns]
    return Stretch(list(path[:end]), turns, previous.text if previous else None, max_tokens, urgent)


def _ends(path: Sequence[Message], begin: int) -> list[int]:
    """Where a stretch from `begin` may end: behind an answer that a member's message follows."""
    users = [place for place, message in enumerate(path) if message.role == Role.USER and is_told(message)]
    last = users[-1] if users else 0
    return [
        place + 1
        for place in range(begin, last)
        if path[place].role == Role.ASSISTANT and is_told(path[place])
    ]


def _shortened(turn: Turn, share: float) -> Turn:
    """A turn with so much of its text: its beginning and its end."""
    half = int(len(turn.text) * share * 0.9) // 2
    return replace(turn, text=f"{turn.text[:half]} … {turn.text[len(turn.text) - half :]}")

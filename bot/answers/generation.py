"""One generation: the worker's stream, shown as it grows. Reading from the worker and showing on Discord run side by
side, so that a slow Discord never holds the worker up."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from bot.answers.language_check import LanguageWatch, Verdict
from bot.answers.presenter import Pace, Presenter
from bot.answers.prompt import answer_reserve, as_trained, fitted, whole_prompt, with_turns
from bot.answers.stage import Scene
from bot.answers.store import AnswerStore, Work
from bot.database.tables import JobKind, Role
from bot.moderation.clearance import Clearance
from bot.moderation.guard import Guard
from bot.request_ids import of_answer
from bot.worker_client import Generation, Piece, Worker
from model.conversation import Turn, insisting
from model.languages import LANGUAGES
from model.lookup_tag import Lookup, TagFilter

# What a worker that cannot go on with an unfinished message is told; the model answers in the thread's language.
_GO_ON = "Go on exactly where you stopped, without repeating anything."

# Typing shows for ten seconds.
_TYPING_LATER_SECONDS = 1.0
_TYPING_SECONDS = 8.0

# A piece that was waited for this long was the last that had come; how long others are then let gather. In seconds.
_CAME_LATE = 0.002
_GATHERING = 0.1

# How long a request to Discord that is under way is waited for when the bot stops.
_LAST_SECONDS = 3.0


@dataclass(frozen=True)
class Outcome:
    """A generated answer: what people see, what it asks for, and how it came about. One whose verdict is wrong may
    have been given up before its end."""

    text: str
    lookup: Lookup | None
    finish_reason: str | None
    model: str | None
    fingerprint: str | None
    verdict: Verdict


class Draft:
    """An answer as it grows: the raw text, and what of it may be shown. With `settled`, `begun` is text that stays
    whatever becomes of the rest, so only that is watched."""

    def __init__(self, language: str, begun: str, question: str, *, settled: bool) -> None:
        self._language = language
        self._filter = TagFilter(language)
        self.raw = ""
        self.shown = ""
        self.last = Piece("")
        if begun:
            self._add(begun)
        self._watch = LanguageWatch(language, question, begun=len(self.shown) if settled else 0)

    @property
    def certainly_wrong(self) -> bool:
        """Whether what has come so far is beyond doubt in another language; looked at near the beginning only."""
        return self._watch.certainly_wrong(self.shown)

    def _add(self, text: str) -> None:
        self.raw += text
        self.shown += self._filter.feed(text)

    def take(self, piece: Piece) -> None:
        """The next piece of the stream."""
        self._add(piece.text)
        self.last = Piece(
            "",
            piece.finish_reason or self.last.finish_reason,
            piece.model or self.last.model,
            piece.fingerprint or self.last.fingerprint,
        )

    def go_back_to(self, raw: str) -> None:
        """This, an earlier state of the raw text, is all there is of it."""
        if raw != self.raw:
            self._filter, self.raw, self.shown = TagFilter(self._language), "", ""
            self._add(raw)

    def finish(self) -> Outcome:
        """Nothing more comes."""
        rest = self._filter.finish()
        verdict = self._watch.verdict(self.shown + rest.text)
        text = (self.shown + rest.text).strip()
        return Outcome(
            text, rest.lookup, self.last.finish_reason, self.last.model, self.last.fingerprint, verdict
        )


class Generator:
    """Generates answers with a worker."""

    def __init__(
        self, worker: Worker, store: AnswerStore, pace: Pace, guard: Guard, *, max_tokens: int
    ) -> None:
        self._worker = worker
        self._store = store
        self._pace = pace
        self._guard = guard
        self._max_tokens = max_tokens

    async def slots(self) -> int:
        """How many answers the worker writes at a time."""
        return (await self._worker.describe()).slots

    async def run(self, work: Work, scene: Scene, stop: asyncio.Event) -> Outcome:
        """Generate the answer, going on with what there is of it; with `stop`, what there is then is all.

        Raises:
            WorkerError, StageError, LeaseLost, ModerationAway: what has been said so far is stored, as far as it was
            cleared to be shown.
            OutputBlocked: none of it may stay.
        """
        shown = asyncio.Event()
        typing = asyncio.create_task(_keep_typing(scene, shown, self._pace), name="type")
        try:
            return await self._run(work, scene, stop, shown)
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)

    async def _run(self, work: Work, scene: Scene, stop: asyncio.Event, shown: asyncio.Event) -> Outcome:
        generation, begun = await self._prepare(work)
        question = _question(work)
        draft = Draft(work.conversation.language, begun, question, settled=work.job.kind == JobKind.CONTINUE)
        presenter = Presenter(scene, self._pace, lambda raw: self._store.save_text(work, raw), shown)
        clearance = Clearance(
            self._guard, work.conversation.rating, question, presenter.offer, cleared=len(begun)
        )

        def kept() -> str:
            """What stays where nothing more comes; what was there before, as long as nothing new is cleared."""
            return draft.raw[: clearance.cleared] if clearance.cleared > len(begun) else work.answer.content

        can_begin_anew = not work.answer.language_retries
        reading = asyncio.create_task(
            self._read(generation, draft, clearance, shown, watched=can_begin_anew), name="read"
        )
        checking = asyncio.create_task(clearance.run(), name="check")
        showing = asyncio.create_task(presenter.run(), name="show")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        tasks = {reading, checking, showing, stopping}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping not in done:
                for task in done:
                    task.result()
            for task in (reading, checking):
                task.cancel()
            await asyncio.gather(reading, checking, return_exceptions=True)
            if stopping in done:
                draft.go_back_to(kept())
            else:
                await clearance.finish(draft.raw)
            # What is being sent to Discord just now is let through: whether a cut-off request arrived, nobody knows.
            presenter.end()
            await showing
        except BaseException:
            reading.cancel()
            presenter.end()
            await asyncio.wait({showing}, timeout=_LAST_SECONDS)
            # A worker that gave nothing is as far away as before: only text that is new says that it is back.
            if (text := kept()) != work.answer.content:
                with suppress(Exception):
                    await self._store.save_text(work, text)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return draft.finish()

    async def _prepare(self, work: Work) -> tuple[Generation, str]:
        """What to ask for, and the text that the draft begins with."""
        info = await self._worker.describe()
        begun = work.answer.content
        whole = whole_prompt(work.conversation, work.path, work.notes, work.remembered)
        if begun and not info.continues:
            if work.job.kind == JobKind.CONTINUE:
                further = [Turn("assistant", as_trained(work.answer)), Turn("user", _GO_ON)]
                whole = with_turns(whole, further)
                begun += "\n\n"
            else:
                begun = ""
        if work.answer.language_retries:
            demanded = insisting(whole.turns, LANGUAGES[work.conversation.language])
            whole = replace(whole, turns=tuple(demanded))
        if begun and info.continues:
            whole = with_turns(whole, [Turn("assistant", begun)])
        reserve = answer_reserve(info, self._max_tokens)
        prompt = await fitted(self._worker, whole, reserve)
        generation = Generation(
            messages=prompt.messages,
            max_tokens=reserve,
            request_id=of_answer(work.answer.id, work.job.attempts),
            continues=bool(begun and info.continues),
            guild_id=work.conversation.guild_id,
        )
        return generation, begun

    async def _read(
        self,
        generation: Generation,
        draft: Draft,
        clearance: Clearance,
        shown: asyncio.Event,
        *,
        watched: bool,
    ) -> None:
        """Take the stream in; a watched one is broken off where it is certainly in the wrong language. Once some of it
        is shown, tokens are let gather: a hundred answers are too many to wake up for each."""
        async with aclosing(self._worker.write(generation)) as stream:
            asked = time.monotonic()
            async for piece in stream:
                draft.take(piece)
                if watched and draft.certainly_wrong:
                    return
                if piece.text:  # the first one may only say who speaks
                    clearance.offer(draft.raw, draft.shown)
                if shown.is_set() and time.monotonic() - asked > _CAME_LATE:
                    await asyncio.sleep(_GATHERING)
                asked = time.monotonic()


async def _keep_typing(scene: Scene, shown: asyncio.Event, pace: Pace) -> None:
    """Show that the bot is at it until the first text is shown, where Discord has time for that. Beside everything
    else, so that the worker is asked while Discord is still being told."""
    while not shown.is_set():
        if spare := pace.spare():
            await scene.typing()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TYPING_SECONDS if spare else _TYPING_LATER_SECONDS):
                await shown.wait()


def _question(work: Work) -> str:
    """What members have said since the last answer."""
    said: list[str] = []
    for message in reversed(work.path):
        if message.role != Role.USER:
            break
        said.append(message.content)
    return "\n".join(said)

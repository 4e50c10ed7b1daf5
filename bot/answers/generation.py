"""One generation: the worker's stream, shown as it grows. Reading from the worker and showing on Discord run side by
side, so that a slow Discord never holds the worker up."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from bot.answers.presenter import Pace, Presenter
from bot.answers.prompt import as_trained, fitted, turns_of
from bot.answers.stage import Scene
from bot.answers.store import AnswerStore, Work
from bot.database.tables import JobKind
from bot.worker_client import Generation, Piece, Worker
from model.conversation import ChatMessage, Turn
from model.lookup_tag import Lookup, TagFilter

# What a worker that cannot go on with an unfinished message is told; the model answers in the thread's language.
_GO_ON = "Go on exactly where you stopped, without repeating anything."

# How long a request to Discord that is under way is waited for when the bot stops.
_LAST_SECONDS = 3.0


@dataclass(frozen=True)
class Outcome:
    """A generated answer: what people see, what it asks for, and how it came about."""

    text: str
    lookup: Lookup | None
    finish_reason: str | None
    model: str | None
    fingerprint: str | None


class Draft:
    """An answer as it grows: the raw text, and what of it may be shown."""

    def __init__(self, language: str, begun: str) -> None:
        self._filter = TagFilter(language)
        self.raw = ""
        self.shown = ""
        self.last = Piece("")
        if begun:
            self._add(begun)

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

    def finish(self) -> Outcome:
        """Nothing more comes."""
        rest = self._filter.finish()
        text = (self.shown + rest.text).strip()
        return Outcome(text, rest.lookup, self.last.finish_reason, self.last.model, self.last.fingerprint)


class Generator:
    """Generates answers with a worker."""

    def __init__(self, worker: Worker, store: AnswerStore, pace: Pace, *, max_tokens: int) -> None:
        self._worker = worker
        self._store = store
        self._pace = pace
        self._max_tokens = max_tokens

    async def slots(self) -> int:
        """How many answers the worker writes at a time."""
        return (await self._worker.describe()).slots

    async def run(self, work: Work, scene: Scene, stop: asyncio.Event) -> Outcome:
        """Generate the answer, going on with what there is of it; with `stop`, what there is then is all.

        Raises:
            WorkerError, StageError, LeaseLost: what has been said so far is stored.
        """
        await scene.typing()
        generation, begun = await self._prepare(work)
        draft = Draft(work.conversation.language, begun)
        presenter = Presenter(scene, self._pace, lambda raw: self._store.save_text(work, raw))
        reading = asyncio.create_task(self._read(generation, draft, presenter), name="read")
        showing = asyncio.create_task(presenter.run(), name="show")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({reading, showing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping not in done:
                for task in done:
                    task.result()
            # What is being sent to Discord just now is let through: whether a cut-off request arrived, nobody knows.
            presenter.end()
            await showing
        except BaseException:
            reading.cancel()
            presenter.end()
            await asyncio.wait({showing}, timeout=_LAST_SECONDS)
            with suppress(Exception):
                await self._store.save_text(work, draft.raw)
            raise
        finally:
            for task in (reading, showing, stopping):
                task.cancel()
            await asyncio.gather(reading, showing, stopping, return_exceptions=True)
        return draft.finish()

    async def _prepare(self, work: Work) -> tuple[Generation, str]:
        """What to ask for, and the text that the draft begins with."""
        info = await self._worker.describe()
        begun = work.answer.content
        turns = turns_of(work.path, work.notes)
        if begun and not info.continues:
            if work.job.kind == JobKind.CONTINUE:
                turns += [Turn("assistant", as_trained(work.answer)), Turn("user", _GO_ON)]
                begun += "\n\n"
            else:
                begun = ""
        reserve = min(self._max_tokens, info.window // 2)
        messages: list[ChatMessage] = await fitted(
            self._worker,
            work.conversation.language,
            [*turns, Turn("assistant", begun)] if begun and info.continues else turns,
            reserve,
        )
        generation = Generation(
            messages=messages,
            max_tokens=reserve,
            request_id=f"answer-{work.answer.id}-{work.job.attempts}",
            continues=bool(begun and info.continues),
        )
        return generation, begun

    async def _read(self, generation: Generation, draft: Draft, presenter: Presenter) -> None:
        async for piece in self._worker.write(generation):
            draft.take(piece)
            presenter.offer(draft.raw, draft.shown)

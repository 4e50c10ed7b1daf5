"""The writing of one answer, from a claimed job to its last message in the thread.

    generate ──▶ save as written ──▶ show ──▶ look up ──▶ show the page ──▶ done

Each step leaves rows behind from which another process goes on, so a kill at any moment costs nothing but time:
a partial answer is continued from its stored text, a written one is only posted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from bot.answers.generation import Generator
from bot.answers.presenter import Pace
from bot.answers.stage import Phase, Scene, Stage
from bot.answers.store import AnswerStore, Work
from bot.canon import Canon
from bot.database.tables import Job, JobStatus, MessageStatus
from bot.errors import (
    LeaseLost,
    StageError,
    ThreadGone,
    WorkerBusy,
    WorkerError,
    WorkerRefused,
    WorkerUnreachable,
)
from bot.queue.repository import Place
from bot.words import Words, words_for
from model.errors import PromptTooLong
from model.lookup_tag import Lookup, parse_reply

log = logging.getLogger(__name__)

_AWAY_RETRY_SECONDS = 5.0
# finish_reason of an answer that a member stopped.
STOPPED = "stopped"


class Writer:
    """Writes answers: one call of `write` a job."""

    def __init__(
        self, store: AnswerStore, generator: Generator, canon: Canon, stage: Stage, pace: Pace
    ) -> None:
        self._store = store
        self._generator = generator
        self._pace = pace
        self._canon = canon
        self._stage = stage

    async def slots(self) -> int:
        """How many answers the worker writes at a time."""
        return await self._generator.slots()

    def reaches(self, job: Job) -> bool:
        """Whether this process can show the job's answer."""
        return self._stage.reaches(job.guild_id)

    async def write(self, job: Job, stop: asyncio.Event) -> None:
        """Write the job's answer, or see to it that somebody else will, or that its failure is seen. Never raises
        but for cancellation, on which the job goes back to the queue."""
        try:
            work = await self._store.load(job)
            try:
                scene = await self._stage.open(work)
                await self._write(work, scene, stop)
            except Exception as error:  # the last line of defence: every request ends visibly
                await self._after_error(work, error)
        except asyncio.CancelledError:
            await asyncio.shield(self._quietly(self._store.put_back(job, after=0, fault=False)))
            raise
        except LeaseLost:
            log.info("job %s is another process's now", job.id)
        except Exception:
            log.exception(
                "job %s: the database did not take it; its lease runs out and it is tried again", job.id
            )

    async def _write(self, work: Work, scene: Scene, stop: asyncio.Event) -> None:
        if not work.job.text_posted:
            if work.answer.status != MessageStatus.WRITTEN:
                await self._generate(work, scene, stop)
            text = self._final_text(work)
            await self._pace.final_turn(scene.place, text)
            await scene.show(text, Phase.DONE)
            await self._store.note_posted(work)
        if work.answer.lookup_term and work.answer.lookup_language:
            lookup = Lookup(work.answer.lookup_term, work.answer.lookup_language)
            await self._look_up(work, scene, work.answer.id, lookup)
        for message_id in (work.answer.parent_id, work.answer.id):
            for note in work.notes.get(message_id, ()) if message_id is not None else ():
                await scene.show_note(note)
        stopped = work.answer.finish_reason == STOPPED
        await self._store.finish(
            work, JobStatus.DONE, MessageStatus.STOPPED if stopped else MessageStatus.COMPLETE
        )

    async def _generate(self, work: Work, scene: Scene, stop: asyncio.Event) -> None:
        """Have the answer written. One that is nothing but a look-up is written again with what was found."""
        earlier = work.answer.lookup_term, work.answer.lookup_language
        outcome = await self._generator.run(work, scene, stop)
        if not outcome.text and outcome.lookup is not None and not stop.is_set() and work.path:
            if await self._look_up(work, scene, work.path[-1].id, outcome.lookup):
                # The tag has been answered; nothing of it is gone on with.
                await self._store.save_text(work, "")
                outcome = await self._generator.run(work, scene, stop)
            if not outcome.text:
                outcome = replace(outcome, lookup=None)
        lookup = outcome.lookup
        if lookup is None and all(earlier):
            lookup = Lookup(str(earlier[0]), str(earlier[1]))  # a continued answer keeps what it asked for
        await self._store.save_written(
            work,
            outcome.text,
            lookup,
            finish_reason=STOPPED if stop.is_set() else outcome.finish_reason,
            model=outcome.model,
            fingerprint=outcome.fingerprint,
        )

    async def _look_up(self, work: Work, scene: Scene, message_id: int, lookup: Lookup) -> bool:
        """Fetch a page and keep it under the message, the same page once. Whether there is any; never fails."""
        await scene.typing()
        said = work.path[-1].content if work.path else ""
        page = await self._canon.find(lookup.term, lookup.language, said)
        if page is not None:
            await self._store.add_note(work, message_id, page)
        return message_id in work.notes

    async def _after_error(self, work: Work, error: Exception) -> None:
        """Decide what an error means for the job, and say it in the thread where waiting does not help."""
        job = work.job
        if isinstance(error, LeaseLost):
            raise error
        if isinstance(error, ThreadGone):
            log.info("job %s ends: %s", job.id, error)
            await self._store.finish(work, JobStatus.CANCELLED, MessageStatus.STOPPED, str(error))
            return
        if isinstance(error, (WorkerUnreachable, WorkerBusy)):
            pause = error.retry_after if isinstance(error, WorkerBusy) else _AWAY_RETRY_SECONDS
            if await self._store.put_back(job, after=pause, fault=False, away=True):
                log.warning("job %s waits for the worker: %s", job.id, error)
                return
        elif isinstance(error, PromptTooLong):
            log.info("job %s: the message is longer than the model's window", job.id)
        elif isinstance(error, (StageError, WorkerError, SQLAlchemyError, OSError)) and not isinstance(
            error, WorkerRefused
        ):
            log.warning("job %s stumbled: %s", job.id, error)
            if await self._store.put_back(job, after=2.0 * job.attempts, fault=True):
                return
        else:
            log.error("job %s failed", job.id, exc_info=error)
        reason = f"{type(error).__name__}: {error}"
        # Shown while the lease is still held: a kill in between only means another try.
        await self.show_failure(job, error)
        await self._store.finish(work, JobStatus.FAILED, MessageStatus.FAILED, reason)

    async def show_failure(self, job: Job, error: Exception | None = None) -> None:
        """Say in the thread that the answer failed, under what there is of it, with a button to try again."""
        work = await self._store.peek(job)
        words = words_for(job.locale)
        notice = f"⚠️ {explain(words, error)}"
        written = self._visible(work)
        text = f"{written}\n\n{notice}" if written else notice
        await self._quietly(self._show(work, text, Phase.FAILED))

    async def show_place(self, job: Job, place: Place) -> None:
        """Tell who waits where they stand."""
        work = await self._store.peek(job)
        if work.answer.status == MessageStatus.WAITING:
            notice = describe_place(words_for(job.locale), place)
            written = self._visible(work)
            await self._show(work, f"{written}\n\n{notice}" if written else notice, Phase.WAITING)

    async def show_again(self, job: Job) -> None:
        """Show the answer as its row has it."""
        work = await self._store.peek(job)
        if work.answer.status == MessageStatus.FAILED:
            await self.show_failure(job)
        else:
            await self._show(work, self._final_text(work), Phase.DONE)

    @staticmethod
    def _final_text(work: Work) -> str:
        """An answer's text, or what stands for it where there is none."""
        words = words_for(work.job.locale)
        if written := Writer._visible(work):
            return written
        if work.answer.status == MessageStatus.STOPPED or work.answer.finish_reason == STOPPED:
            return words.say("⏹️ Stopped before I had written anything.")
        return words.say("I have nothing to say to that. Ask me again, or put it another way.")

    @staticmethod
    def _visible(work: Work) -> str:
        """An answer's text without the tag, which is still in that of one that was not finished."""
        return parse_reply(work.answer.content, work.conversation.language).text

    async def _show(self, work: Work, text: str, phase: Phase) -> None:
        scene = await self._stage.open(work)
        await scene.show(text, phase)

    async def _quietly(self, action: Awaitable[object]) -> None:
        """Await what must not hide an earlier error by one of its own."""
        try:
            await action
        except LeaseLost:
            pass
        except Exception:
            log.exception("could not record how a job ended; its lease runs out and it is tried again")


def explain(words: Words, error: Exception | None) -> str:
    """Why there is no answer, in words for who waits for it."""
    texts: dict[type[Exception], Callable[[], str]] = {
        WorkerUnreachable: lambda: words.say("The writing machine is away. Please try again in a while."),
        WorkerBusy: lambda: words.say("The writing machine is very busy. Please try again in a while."),
        WorkerRefused: lambda: words.say("The writing machine could not take this request."),
        PromptTooLong: lambda: words.say(
            "Your message is too long for me. Please send it in smaller pieces."
        ),
    }
    for kind, text in texts.items():
        if isinstance(error, kind):
            return text()
    return words.say("Something went wrong while I was writing. Nothing of yours is lost; please try again.")


def describe_place(words: Words, place: Place) -> str:
    """A place in the queue as a sentence."""
    where = words.say("⏳ You are number {place} in the queue.", place=words.number(place.position))
    if place.seconds is None:
        return where
    return where + " " + words.say("It should take about {span}.", span=words.span(place.seconds))

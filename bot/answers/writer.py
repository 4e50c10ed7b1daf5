"""The writing of one answer, from a claimed job to its last message in the thread.

    generate ──▶ save as written ──▶ show ──▶ look up ──▶ show the page ──▶ follow-ups ──▶ done

Each step leaves rows behind from which another process goes on, so a kill at any moment costs nothing but time:
a partial answer is continued from its stored text, a written one is only posted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from bot import request_ids
from bot.answers.generation import Generator, Outcome
from bot.answers.presenter import Pace
from bot.answers.rules import AnswerRules
from bot.answers.stage import Phase, Scene, Stage
from bot.answers.store import AnswerStore, Work
from bot.answers.wording import STOPPED, describe_place, describe_sleep, explain, final_text, visible
from bot.canon import Canon
from bot.database.tables import Job, JobKind, JobStatus, MessageStatus
from bot.errors import (
    LeaseLost,
    StageError,
    ThreadGone,
    WorkerAsleep,
    WorkerBusy,
    WorkerError,
    WorkerRefused,
    WorkerUnreachable,
)
from bot.moderation.guard import OutputBlocked
from bot.moderation.service import ModerationAway
from bot.operation.absence import Absence
from bot.queue.repository import Place
from bot.words import Words, words_for
from model.errors import PromptTooLong
from model.lookup_tag import Lookup

log = logging.getLogger(__name__)

_AWAY_RETRY_SECONDS = 5.0
MAX_LOOKUPS = 2
"""Pages that one answer may ask for: one before it is written, and one at its end, or each time that it goes on."""


class FollowUp(Protocol):
    """What is done once an answer stands in its thread, a title or a summary: best effort, while the job is still
    held. It is skipped where the bot stops and begun anew after a kill, so it has to bear being run twice."""

    async def after(self, work: Work, stop: asyncio.Event) -> None:
        """Do it. `stop` is set when a member cancels the job. Errors other than `LeaseLost` are logged, no more."""
        ...


class Writer:
    """Writes answers: one call of `write` a job. `follow_ups` are run one after the other behind each answer;
    `training` says whether a training run is under way, which those are told who wait while the worker sleeps."""

    def __init__(
        self,
        store: AnswerStore,
        generator: Generator,
        canon: Canon,
        stage: Stage,
        pace: Pace,
        rules: AnswerRules,
        follow_ups: Sequence[FollowUp] = (),
        training: Callable[[], Awaitable[Absence | None]] | None = None,
    ) -> None:
        self._store = store
        self._generator = generator
        self._pace = pace
        self._canon = canon
        self._stage = stage
        self._rules = rules
        self._follow_ups = follow_ups
        self._training = training
        self._asleep = False

    async def slots(self) -> int:
        """How many answers the worker writes at a time."""
        return await self._generator.slots()

    def reaches(self, job: Job) -> bool:
        """Whether this process can show the job's answer."""
        return self._stage.reaches(job.guild_id)

    async def write(self, job: Job, stop: asyncio.Event) -> None:
        """Write the job's answer, or see to it that somebody else will, or that its failure is seen. Never raises
        but for cancellation, on which the job goes back to the queue."""
        request_ids.begin(request_ids.of_answer(job.answer_id, job.attempts))
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
        if work.answer.status == MessageStatus.BLOCKED:
            await self._finish_blocked(work, scene)
            return
        await self._rules.settle_rating(work, age_restricted=scene.age_restricted)
        looked_up = 0
        if not work.job.text_posted:
            if work.answer.status != MessageStatus.WRITTEN:
                looked_up = await self._generate(work, scene, stop)
            text = final_text(work)
            await self._pace.final_turn(scene.place, text, scene.cost(text))
            await scene.show(text, Phase.DONE)
            await self._store.note_posted(work)
        looked_up += len(work.notes.get(work.answer.id, ()))
        if work.answer.lookup_term and work.answer.lookup_language and looked_up < MAX_LOOKUPS:
            lookup = Lookup(work.answer.lookup_term, work.answer.lookup_language)
            await self._look_up(work, scene, work.answer.id, lookup)
        for message_id in (work.answer.parent_id, work.answer.id):
            for note in work.notes.get(message_id, ()) if message_id is not None else ():
                await scene.show_note(note)
        await self._follow_up(work, stop)
        stopped = work.answer.finish_reason == STOPPED
        await self._store.finish(
            work, JobStatus.DONE, MessageStatus.STOPPED if stopped else MessageStatus.COMPLETE
        )

    async def _follow_up(self, work: Work, stop: asyncio.Event) -> None:
        for follow_up in self._follow_ups:
            try:
                await follow_up.after(work, stop)
            except LeaseLost:
                raise
            except Exception:  # the answer stands; nothing that follows it may make a failure of it
                log.exception("job %s: %s failed", work.job.id, type(follow_up).__name__)

    async def _generate(self, work: Work, scene: Scene, stop: asyncio.Event) -> int:
        """Have the answer written. One that is nothing but a look-up is written again with what was found. Returns how
        many look-ups it took."""
        looked_up = 0
        earlier = work.answer.lookup_term, work.answer.lookup_language
        outcome = await self._run(work, scene, stop)
        if not outcome.text and outcome.lookup is not None and not stop.is_set() and work.path:
            looked_up += 1
            if await self._look_up(work, scene, work.path[-1].id, outcome.lookup):
                # The tag has been answered; nothing of it is gone on with.
                await self._store.save_text(work, "")
                outcome = await self._run(work, scene, stop)
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
            verdict=outcome.verdict,
        )
        return looked_up

    async def _run(self, work: Work, scene: Scene, stop: asyncio.Event) -> Outcome:
        """Generate; once more, with the language demanded, where the answer came in another. A second time it stays:
        whoever reads it is told (`wording.final_text`)."""
        settled = work.answer.content if work.job.kind == JobKind.CONTINUE else ""
        outcome = await self._generator.run(work, scene, stop)
        self._asleep = False
        if not outcome.verdict.wrong or work.answer.language_retries or stop.is_set():
            return outcome
        log.info(
            "answer %s is in %s instead of %s: written anew",
            work.answer.id,
            outcome.verdict.written,
            outcome.verdict.expected,
        )
        await self._store.begin_anew(work, settled)
        return await self._generator.run(work, scene, stop)

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
        if isinstance(error, OutputBlocked):
            await self._rules.block(work, error)
            log.info("answer %s was blocked: %s", work.answer.id, ", ".join(sorted(error.categories)))
            await self._finish_blocked(work, await self._stage.open(work))
            return
        self._asleep = isinstance(error, WorkerAsleep)
        if isinstance(error, WorkerAsleep):
            # However long that takes: it is told in words, and nothing is lost.
            if await self._store.put_back(job, after=error.retry_after, fault=False):
                log.info("job %s waits while the worker sleeps", job.id)
                return
        elif isinstance(error, (WorkerUnreachable, WorkerBusy, ModerationAway)):
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

    async def _finish_blocked(self, work: Work, scene: Scene) -> None:
        """Nothing of the answer stays in the thread but that there was one."""
        await scene.show(final_text(work), Phase.BLOCKED)
        await self._store.finish(work, JobStatus.DONE, MessageStatus.BLOCKED)

    async def show_failure(self, job: Job, error: Exception | None = None) -> None:
        """Say in the thread that the answer failed, under what there is of it, with a button to try again."""
        work = await self._store.peek(job)
        words = words_for(job.locale)
        notice = f"⚠️ {explain(words, error)}"
        written = visible(work)
        text = f"{written}\n\n{notice}" if written else notice
        await self._quietly(self._show(work, text, Phase.FAILED))

    async def show_place(self, job: Job, place: Place, waits: Callable[[], bool]) -> None:
        """Tell who waits where they stand, if the job still `waits` when it is this notice's turn."""
        work = await self._store.peek(job)
        # While the worker sleeps, an answer may have been begun in vain, or be half written.
        begun = self._asleep and work.answer.status == MessageStatus.STREAMING
        if begun or work.answer.status == MessageStatus.WAITING:
            words = words_for(job.locale)
            notice = await self._sleep_notice(words) if self._asleep else describe_place(words, place)
            written = visible(work)
            scene = await self._stage.open(work)
            async with self._pace.beside(scene.place):
                if waits():
                    await scene.show(f"{written}\n\n{notice}" if written else notice, Phase.WAITING)

    async def _sleep_notice(self, words: Words) -> str:
        return describe_sleep(words, await self._training() if self._training is not None else None)

    async def show_again(self, job: Job) -> None:
        """Show the answer as its row has it."""
        work = await self._store.peek(job)
        if work.answer.taken_back_at is not None:
            notice = words_for(job.locale).say("↩️ This was taken back. The button brings it back.")
            await self._show(work, notice, Phase.TAKEN_BACK)
        elif work.answer.status == MessageStatus.FAILED:
            await self.show_failure(job)
        else:
            blocked = work.answer.status == MessageStatus.BLOCKED
            await self._show(work, final_text(work), Phase.BLOCKED if blocked else Phase.DONE)

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

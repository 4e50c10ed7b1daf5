"""Training runs: proposed with their figures, confirmed, followed at the trainer, and over. Each is a row from before
it begins, so that a bot that is restarted goes on where it was."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import or_, select

from bot.database.connection import Database
from bot.database.tables import RunStatus, TrainingRun, now
from bot.guilds.repository import GuildRepository
from bot.operation.absence import Absence
from bot.operation.errors import (
    BeginsWithoutRated,
    ForgettingDue,
    NoSuchRun,
    NothingToMove,
    RecipeUnavailable,
    RunIsOver,
)
from bot.operation.forgetting import Forgetting
from bot.trainer import Adapter, Order, Progress, Recipe, TrainerLacks, TrainerRefused, TrainingJob
from bot.trainer_client import Trainer

log = logging.getLogger(__name__)

UNDER_WAY = (RunStatus.CONFIRMED, RunStatus.RUNNING)
# What is proposed and not begun for so long has been thought better of.
_PROPOSAL_DAYS = 7
_NAME_LENGTH = 40


@dataclass(frozen=True)
class Wish:
    """What an operator wants trained, and where they are told. `in_use` is what answers there now: at the end the new
    adapter is set beside it, and rated answers move it where no `start_adapter` is named."""

    guild_id: int
    channel_id: int
    operator_id: int
    locale: str | None
    recipe: str
    dataset: str
    rated_file: str | None = None
    start_adapter: str | None = None
    name: str | None = None
    in_use: str | None = None
    languages: tuple[str, ...] = ()
    samples: int | None = None


class TrainingRuns:
    """The runs."""

    def __init__(self, database: Database, trainer: Trainer, forgetting: Forgetting) -> None:
        self._database = database
        self._trainer = trainer
        self._forgetting = forgetting

    async def propose(self, wish: Wish) -> TrainingRun:
        """Write a wish down with what it would take; nothing begins.

        Raises:
            RecipeUnavailable, NothingToMove, BeginsWithoutRated: it cannot be run. TrainerError: the trainer is away,
                or refuses the dataset.
        """
        recipe = next((r for r in await self._trainer.recipes() if r.id == wish.recipe), None)
        if recipe is None or not recipe.runnable:
            raise RecipeUnavailable(wish.recipe, recipe.reason if recipe else None)
        adapters = {each.id: each for each in await self._trainer.adapters()}
        start, beside = _start(wish, adapters), _comparable(wish.in_use, adapters, recipe)
        key = secrets.token_hex(12)
        estimate = await self._trainer.estimate(
            Order(
                key=key,
                recipe=wish.recipe,
                preset=recipe.preset,
                dataset=wish.dataset,
                name="",
                rated_file=wish.rated_file,
                start_adapter=start,
                compare_with=beside,
                languages=wish.languages,
                samples=wish.samples,
            )
        )
        async with self._database.transaction() as session:
            run = TrainingRun(
                key=key,
                guild_id=wish.guild_id,
                channel_id=wish.channel_id,
                operator_id=wish.operator_id,
                locale=wish.locale,
                recipe=wish.recipe,
                dataset=wish.dataset,
                rated_file=wish.rated_file,
                start_adapter=start,
                name="",
                expected={
                    **asdict(estimate),
                    "preset": recipe.preset,
                    "compare_with": beside,
                    "languages": list(wish.languages),
                    "samples": wish.samples,
                },
            )
            session.add(run)
            await session.flush()
            run.name = adapter_name(wish.name or wish.recipe, f"{run.id}-{key[:4]}")
        return run

    async def confirm(self, run_id: int, operator_id: int) -> TrainingRun | None:
        """An operator said yes. The run, from now on to be followed; None where it was begun before.

        Raises:
            NoSuchRun: there is none. ForgettingDue: a member's rows have to be removed first, and cannot be just now.
        """
        await self._require_forgotten()
        async with self._database.transaction() as session:
            run = await session.get(TrainingRun, run_id, with_for_update=True)
            if run is None:
                raise NoSuchRun
            if run.status != RunStatus.PROPOSED:
                return None
            run.status, run.operator_id = RunStatus.CONFIRMED, operator_id
            details = {"run": run.id, "name": run.name, "recipe": run.recipe, "dataset": run.dataset}
            if run.rated_file is not None:
                details["rated"] = run.rated_file
            GuildRepository(session).note(run.guild_id, operator_id, "train start", details)
        return run

    async def _require_forgotten(self) -> None:
        """No run begins on rows that somebody wants gone."""
        if not await self._forgetting.carry_out():
            raise ForgettingDue

    async def note_message(self, run_id: int, message_id: int) -> None:
        """Which Discord message shows the run."""
        async with self._database.transaction() as session:
            run = await session.get_one(TrainingRun, run_id)
            run.message_id = message_id

    async def follow(self, run: TrainingRun) -> tuple[TrainingRun, TrainingJob | None]:
        """Bring a run's row up to date with the trainer, handing it over first where that has not happened.

        Raises:
            TrainerError: the trainer could not be asked; the row is as it was.
        """
        job: TrainingJob | None
        if run.status == RunStatus.CONFIRMED:
            try:
                job = await self._hand_over(run)
            except TrainerRefused as error:
                return await self._end(run, RunStatus.FAILED, str(error)), None
        elif run.job_id is None:
            # One that was stopped while it was being handed over may have reached the trainer all the same.
            job = await self._trainer.find(run.key) if run.status == RunStatus.CANCELLED else None
            if job is None:
                return run, None
        else:
            try:
                job = await self._trainer.job(run.job_id)
            except TrainerLacks as error:
                return await self._end(run, RunStatus.FAILED, str(error)), None
        return await self._take(run, job), job

    async def _hand_over(self, run: TrainingRun) -> TrainingJob:
        """Begin the job, unless the trainer has it already and a crash kept the bot from noting that."""
        job = await self._trainer.find(run.key)
        if job is not None:
            return job
        order = Order(
            key=run.key,
            recipe=run.recipe,
            preset=str(run.expected.get("preset") or run.recipe),
            dataset=run.dataset,
            name=run.name,
            rated_file=run.rated_file,
            start_adapter=run.start_adapter,
            compare_with=run.expected.get("compare_with"),
            languages=tuple(run.expected.get("languages") or ()),
            samples=run.expected.get("samples"),
        )
        try:
            return await self._trainer.begin(order)
        except TrainerRefused:
            # An earlier process's request may have been under way when the trainer was asked above; it has the name.
            job = await self._trainer.find(run.key)
            if job is None:
                raise
            return job

    async def _take(self, run: TrainingRun, job: TrainingJob) -> TrainingRun:
        async with self._database.transaction() as session:
            row = await session.get_one(TrainingRun, run.id, with_for_update=True)
            stopped = row.status == RunStatus.CANCELLED and not job.over
            if stopped:
                row.job_id = job.id
            elif row.status in UNDER_WAY:
                _note(row, job)
        if stopped:  # while the job was being handed over
            await self._trainer.cancel(job.id)
        return row

    async def _end(self, run: TrainingRun, status: RunStatus, error: str) -> TrainingRun:
        """End a run that has not ended, nor been handed over, meanwhile."""
        async with self._database.transaction() as session:
            row = await session.get_one(TrainingRun, run.id, with_for_update=True)
            if row.status not in UNDER_WAY or row.job_id != run.job_id:
                return row
            row.status, row.error, row.finished_at = status, error[:400], now()
            return row

    async def cancel(self, run_id: int, operator_id: int) -> TrainingRun:
        """Stop a run.

        Raises:
            NoSuchRun, RunIsOver: there is nothing to stop. TrainerError: the trainer could not be told.
        """
        run = await self.get(run_id)
        if run.status not in UNDER_WAY:
            raise RunIsOver
        job = await self._trainer.find(run.key) if run.job_id is None else None
        job_id = run.job_id or (job.id if job is not None else None)
        if job_id is None:
            run = await self._end(run, RunStatus.CANCELLED, "")
            job_id = run.job_id if run.status in UNDER_WAY else None  # it was handed over meanwhile
        if job_id is not None:
            run = await self._take(run, await self._trainer.cancel(job_id))
        async with self._database.transaction() as session:
            details = {"run": run.id, "name": run.name}
            GuildRepository(session).note(run.guild_id, operator_id, "train cancel", details)
        return run

    async def get(self, run_id: int) -> TrainingRun:
        """Raises `NoSuchRun`."""
        async with self._database.reading() as session:
            run = await session.get(TrainingRun, run_id)
        if run is None:
            raise NoSuchRun
        return run

    async def newest(self, limit: int = 10) -> Sequence[TrainingRun]:
        """The newest runs that were begun, newest first."""
        query = (
            select(TrainingRun)
            .where(TrainingRun.status != RunStatus.PROPOSED)
            .order_by(TrainingRun.id.desc())
            .limit(limit)
        )
        async with self._database.reading() as session:
            return (await session.scalars(query)).all()

    async def to_show(self) -> Sequence[TrainingRun]:
        """Those whose message is not the last word yet, oldest first."""
        query = (
            select(TrainingRun)
            .where(
                or_(
                    TrainingRun.status.in_(UNDER_WAY),
                    TrainingRun.finished_at.is_not(None) & TrainingRun.reported.is_(False),
                )
            )
            .order_by(TrainingRun.id)
        )
        async with self._database.reading() as session:
            return (await session.scalars(query)).all()

    async def note_reported(self, run_id: int) -> None:
        """The last word about a run stands in its channel."""
        async with self._database.transaction() as session:
            run = await session.get_one(TrainingRun, run_id)
            run.reported = True

    async def forget_proposals(self) -> None:
        """Remove what was proposed long ago and never begun."""
        long_ago = now() - timedelta(days=_PROPOSAL_DAYS)
        query = select(TrainingRun).where(
            TrainingRun.status == RunStatus.PROPOSED, TrainingRun.created_at < long_ago
        )
        async with self._database.transaction() as session:
            for run in await session.scalars(query):
                await session.delete(run)

    async def absence(self) -> Absence | None:
        """Whether a run is under way, and how long it takes yet; None where none is."""
        query = select(TrainingRun.progress).where(TrainingRun.status == RunStatus.RUNNING)
        async with self._database.reading() as session:
            found = (await session.scalars(query)).all()
        if not found:
            return None
        known = [float(each["seconds_left"]) for each in found if each and each.get("seconds_left")]
        return Absence(sum(known) if known and len(known) == len(found) else None)


def _start(wish: Wish, adapters: Mapping[str, Adapter]) -> str | None:
    """The adapter that rated answers move; None for a run on chats, which begins with a new one.

    Raises:
        NothingToMove, BeginsWithoutRated: there is none, or none is wanted.
    """
    if wish.rated_file is None:
        if wish.start_adapter is not None:
            raise BeginsWithoutRated
        return None
    start = wish.start_adapter or wish.in_use
    if start not in adapters:
        raise NothingToMove(start, named=wish.start_adapter is not None)
    return start


def _comparable(adapter: str | None, adapters: Mapping[str, Adapter], recipe: Recipe) -> str | None:
    """The adapter, if the trainer has it and it is one over the recipe's own base."""
    known = adapters.get(adapter or "")
    if known is None:
        return None
    same = known.base == recipe.base if known.base and recipe.base else known.preset == recipe.preset
    return known.id if same else None


def _note(row: TrainingRun, job: TrainingJob) -> None:
    row.job_id, row.status = job.id, _STATUS.get(job.status, RunStatus.RUNNING)
    row.progress = asdict(job.progress) if job.progress is not None else row.progress
    row.adapter = job.adapter or row.adapter
    row.error = job.error[:400] if job.error else None
    if job.over:
        row.finished_at = now()


_STATUS = {
    "succeeded": RunStatus.SUCCEEDED,
    "failed": RunStatus.FAILED,
    "cancelled": RunStatus.CANCELLED,
}


def adapter_name(wanted: str, mark: str) -> str:
    """A name for an adapter that no other has: what was asked for as far as it may stand there, and a mark."""
    plain = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:_NAME_LENGTH].strip("-")
    return f"{plain or 'run'}-{mark}"


def progress_in(run: TrainingRun) -> Progress | None:
    """What the trainer last said of a run."""
    return Progress(**run.progress) if run.progress else None

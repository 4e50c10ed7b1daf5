"""The operator's rows, on both databases: which model holds where, and runs that are begun, followed and stopped."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import AuditEntry, DueForgetting, RunStatus, TrainingRun
from bot.operation.absence import Absence
from bot.operation.choices import Choice, ModelChoices
from bot.operation.errors import ForgettingDue, NoSuchRun, NothingToRollBack, RecipeUnavailable, RunIsOver
from bot.operation.forgetting import Forgetting
from bot.operation.runs import TrainingRuns, Wish
from bot.operation.uploads import _rows_in
from bot.trainer import Order, TrainerRefused, TrainerUnreachable, TrainingJob
from bot.trainer_client import Trainer, open_trainer_client
from tests.bot.operation.stand_in import StandIn, trainer

HERE, THERE = 10, 20
ONE, TWO = Choice("one", "/adapters/one"), Choice("two", "/adapters/two")
WISH = Wish(HERE, 5, 99, "en-US", "toy", "shipped")


async def test_each_server_has_its_own_choice_before_the_one_for_all(database: Database) -> None:
    choices = ModelChoices(database)
    assert await choices.for_guild(HERE) is None
    await choices.activate(None, ONE, actor_id=1, told_in=HERE)
    await choices.activate(HERE, TWO, actor_id=1, told_in=HERE)
    assert [await choices.for_guild(guild) for guild in (HERE, THERE, None)] == [TWO, ONE, ONE]
    assert await choices.in_use() == [ONE, TWO]
    assert await choices.where() == {"one": [None], "two": [HERE]}


async def test_going_back_undoes_one_choice_after_the_other_and_no_further(database: Database) -> None:
    choices = ModelChoices(database)
    for choice in (ONE, TWO, ONE):
        await choices.activate(HERE, choice, actor_id=1, told_in=HERE)
    seen = []
    for _ in range(3):
        await choices.roll_back(HERE, actor_id=1, told_in=HERE)
        seen.append(await choices.for_guild(HERE))
    assert seen == [TWO, ONE, None]
    with pytest.raises(NothingToRollBack):
        await choices.roll_back(HERE, actor_id=1, told_in=HERE)
    await choices.activate(HERE, TWO, actor_id=1, told_in=HERE)
    assert (await choices.roll_back(HERE, actor_id=1, told_in=HERE)).now is None
    assert len(await choices.history(HERE, 20)) == 8


@asynccontextmanager
async def runs_at_a_trainer(database: Database) -> AsyncIterator[tuple[TrainingRuns, StandIn]]:
    async with trainer() as state, open_trainer_client(state.url, None) as client:
        told = Trainer(client)
        yield TrainingRuns(database, told, Forgetting(database, told)), state


async def test_a_run_is_followed_from_its_proposal_to_its_end(database: Database) -> None:
    async with runs_at_a_trainer(database) as (runs, state):
        run = await runs.propose(WISH)
        assert (run.status, run.expected["rows"], run.expected["steps"]) == (RunStatus.PROPOSED, 400, 100)
        assert await runs.to_show() == []
        assert await runs.confirm(run.id, 99) is not None
        assert await runs.confirm(run.id, 99) is None
        (run,) = await runs.to_show()
        assert await runs.absence() is None
        run, job = await runs.follow(run)
        assert job is not None
        state.go_on(job.id, 40)
        run, _ = await runs.follow(run)
        assert run.status == RunStatus.RUNNING
        assert await runs.absence() == Absence(90.0)
        name = state.succeed(job.id)
        run, _ = await runs.follow(run)
        assert (run.status, run.adapter) == (RunStatus.SUCCEEDED, name)
        assert await runs.absence() is None
        assert [each.id for each in await runs.to_show()] == [run.id], "its report is still to be posted"
        await runs.note_reported(run.id)
        assert await runs.to_show() == []
        with pytest.raises(RunIsOver):
            await runs.cancel(run.id, 99)
    async with database.reading() as session:
        actions = (await session.scalars(select(AuditEntry.action))).all()
    assert list(actions) == ["train start"]


async def test_a_run_whose_trainer_is_away_keeps_its_place_and_is_begun_once(database: Database) -> None:
    async with runs_at_a_trainer(database) as (runs, state):
        proposed = await runs.propose(WISH)
        run = await runs.confirm(proposed.id, 99)
        assert run is not None
        state.away = True
        with pytest.raises(TrainerUnreachable):
            await runs.follow(run)
        assert (await runs.get(run.id)).status == RunStatus.CONFIRMED
        state.away = False
        for _ in range(3):
            run, _ = await runs.follow(await runs.get(run.id))
        assert len(state.orders) == 1


async def test_a_run_that_a_killed_bot_was_just_handing_over_is_found_where_its_name_is_taken(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Trainer.begin

    async def overtaken(self: Trainer, order: Order) -> TrainingJob:
        """The request of the killed process, which was still being looked at, is let in before this one."""
        await begin(self, order)
        raise TrainerRefused(f"There is an adapter or a job called {order.name!r} already.")

    async def refused(self: Trainer, order: Order) -> TrainingJob:
        raise TrainerRefused("no such recipe")

    async with runs_at_a_trainer(database) as (runs, state):
        monkeypatch.setattr(Trainer, "begin", overtaken)
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        run, job = await runs.follow(run)
        assert job is not None
        assert (run.status, run.job_id, len(state.orders)) == (RunStatus.RUNNING, job.id, 1)
        monkeypatch.setattr(Trainer, "begin", refused)
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        run, job = await runs.follow(run)
        assert (run.status, run.error, job) == (RunStatus.FAILED, "no such recipe", None)


async def test_a_run_that_the_trainer_lost_has_failed(database: Database) -> None:
    async with runs_at_a_trainer(database) as (runs, state):
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        run, _ = await runs.follow(run)
        state.jobs.clear()
        run, _ = await runs.follow(run)
        assert run.status == RunStatus.FAILED


async def test_a_run_that_was_not_handed_over_yet_can_be_stopped(database: Database) -> None:
    async with runs_at_a_trainer(database) as (runs, state):
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        assert (await runs.cancel(run.id, 99)).status == RunStatus.CANCELLED
        run, _ = await runs.follow(await runs.get(run.id))
        assert state.orders == []


async def test_a_run_that_is_stopped_while_it_is_handed_over_does_not_train_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Trainer.begin
    async with runs_at_a_trainer(database) as (runs, state):

        async def overtaken(self: Trainer, order: Order) -> TrainingJob:
            await runs.cancel(1, 99)
            return await begin(self, order)

        monkeypatch.setattr(Trainer, "begin", overtaken)
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        run, _ = await runs.follow(run)
        ((job_id, job),) = state.jobs.items()
        assert (run.status, run.job_id, job["status"]) == (RunStatus.CANCELLED, job_id, "cancelled")


async def test_a_stopped_run_whose_handing_over_had_no_answer_is_looked_for_at_the_trainer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Trainer.begin
    async with runs_at_a_trainer(database) as (runs, state):

        async def unanswered(self: Trainer, order: Order) -> TrainingJob:
            await runs.cancel(1, 99)
            await begin(self, order)
            state.away = True
            raise TrainerUnreachable("connection reset")

        monkeypatch.setattr(Trainer, "begin", unanswered)
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        for _ in range(2):
            with pytest.raises(TrainerUnreachable):
                await runs.follow(await runs.get(run.id))
        state.away = False
        run, _ = await runs.follow(await runs.get(run.id))
        assert (run.status, [job["status"] for job in state.jobs.values()]) == (
            RunStatus.CANCELLED,
            ["cancelled"],
        )


async def test_a_run_that_is_handed_over_while_it_is_stopped_is_stopped_at_the_trainer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with runs_at_a_trainer(database) as (runs, state):
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        confirmed, find = run, Trainer.find

        async def meanwhile(self: Trainer, key: str) -> TrainingJob | None:
            found = await find(self, key)
            monkeypatch.setattr(Trainer, "find", find)
            await runs.follow(confirmed)
            return found

        monkeypatch.setattr(Trainer, "find", meanwhile)
        stopped = await runs.cancel(run.id, 99)
        ((job_id, job),) = state.jobs.items()
        assert (stopped.status, stopped.job_id, job["status"]) == (RunStatus.CANCELLED, job_id, "cancelled")


async def test_a_run_that_was_stopped_is_not_called_failed_because_the_trainer_refused_it_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with runs_at_a_trainer(database) as (runs, _):

        async def refused(self: Trainer, order: Order) -> TrainingJob:
            await runs.cancel(1, 99)
            raise TrainerRefused("no such recipe")

        monkeypatch.setattr(Trainer, "begin", refused)
        run = await runs.confirm((await runs.propose(WISH)).id, 99)
        assert run is not None
        run, _ = await runs.follow(run)
        assert (run.status, run.error) == (RunStatus.CANCELLED, "")


async def test_what_cannot_be_run_or_found_is_refused(database: Database) -> None:
    async with runs_at_a_trainer(database) as (runs, state):
        with pytest.raises(RecipeUnavailable, match="24 GB"):
            await runs.propose(Wish(HERE, 5, 99, None, "huge", "shipped"))
        with pytest.raises(RecipeUnavailable):
            await runs.propose(Wish(HERE, 5, 99, None, "unknown", "shipped"))
        with pytest.raises(NoSuchRun):
            await runs.confirm(7, 99)
        proposed = await runs.propose(WISH)
        async with database.transaction() as session:
            session.add(DueForgetting(alias="abc"))
        state.away = True
        with pytest.raises(ForgettingDue):
            await runs.confirm(proposed.id, 99)
    async with database.reading() as session:
        assert (await session.scalars(select(TrainingRun.status))).all() == [RunStatus.PROPOSED]


def test_rows_are_told_apart_by_line_feeds_alone() -> None:
    rows = [{"id": "a", "content": "one\u2028two\u0085three"}, {"id": "b", "content": "four"}]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    assert list(_rows_in(content)) == ["a", "b"]

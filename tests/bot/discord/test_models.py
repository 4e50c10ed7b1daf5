"""`/admin model`: which model answers where, as operators and members meet it, with a worker that really takes adapters
in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import AuditEntry, Message, ModelActivation, ModelComparison, Role, TrainingRun
from bot.operation.choices import Choice
from model.engine.fake import FakeEngine
from tests.bot.discord.test_training import command, last, press, said
from tests.bot.operation.stand_in import StandIn, adapter, trainer
from tests.bot.operation.worker import AdapterWorker, adapter_worker
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OWNER, MEMBER = 0, 1


@dataclass
class Scene:
    world: World
    trainer: StandIn
    worker: AdapterWorker

    async def story(self, prompt: str = "a dragon") -> int:
        thread = await self.world.start_story(prompt, MEMBER)
        await self.world.answered(thread)
        return thread

    async def models(self, database: Database) -> list[str | None]:
        """Which model wrote each answer, oldest first."""
        async with database.reading() as session:
            query = select(Message.model).where(Message.role == Role.ASSISTANT).order_by(Message.id)
            return list(await session.scalars(query))


Figures = dict[str, tuple[float | None, float | None]]


@asynccontextmanager
async def scene(
    database: Database,
    folder: Path,
    adapters: Figures,
    *,
    most: int = 4,
    tokens_per_second: float | None = None,
) -> AsyncIterator[Scene]:
    """Operator, trainer and worker; the adapters by name, with their held-out loss and language match."""
    places = folder / "adapters"
    async with (
        trainer() as state,
        adapter_worker(places, list(adapters), most=most, tokens_per_second=tokens_per_second) as worker,
    ):
        for name, (loss, match) in adapters.items():
            state.adapters.append(adapter(name, worker.path(name), loss=loss, match=match))
        async with open_world(
            database, FakeEngine(), operators=True, trainer_url=state.url, worker_url=worker.url
        ) as world:
            yield Scene(world, state, worker)


async def test_an_activated_model_answers_the_next_request_and_a_rollback_takes_one_step(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9), "two": (1.9, 0.95)}) as found:
        world = found.world
        await found.story()
        assert "one** answers in this server" in await said(world, "model activate", model="one")
        await found.story()
        assert "two** answers in this server" in await said(world, "model activate", model="two")
        await found.story()
        assert "Back from **two** to **one**" in await said(world, "model rollback")
        await found.story()
        assert "Back from **one**" in await said(world, "model rollback")
        await found.story()
        assert await found.models(database) == ["fake", "one", "two", "one", "fake"]
        assert "nothing to go back from" in await said(world, "model rollback")
        async with database.reading() as session:
            rows = (await session.scalars(select(ModelActivation).order_by(ModelActivation.id))).all()
            actions = (await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all()
        assert [(row.adapter, row.rollback) for row in rows] == [
            ("one", False),
            ("two", False),
            ("one", True),
            (None, True),
        ]
        assert actions == ["model activate", "model activate", "model rollback", "model rollback"]
        log = last(await command(world, "audit")).embeds[0].description or ""
        assert "has **one** answer in this server" in log
        assert "went back from **two** to **one**" in log


async def test_an_adapter_that_is_worse_than_the_bare_base_in_use_needs_force_too(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {}) as found:
        for name, base in (("worse", (1.5, 0.95)), ("better", (2.5, 0.8))):
            (found.worker.folder / name).mkdir()
            found.trainer.adapters.append(
                adapter(name, found.worker.path(name), loss=2.0, match=0.9, base=base)
            )
        refused = await said(found.world, "model activate", model="worse")
        assert "It is worse than fake, which is in use, so it is not activated" in refused
        assert "held-out loss 2 instead of 1.5" in refused
        models = found.world.bot.parts.operation.models
        known = {model.name: model for model in await models.known()}
        assert known["better"].faults_beside(known["fake"]) == []
        async with database.reading() as session:
            assert (await session.scalars(select(ModelActivation))).all() == []


async def test_the_choice_for_a_server_goes_before_the_one_for_all(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9), "two": (1.9, 0.95)}) as found:
        world = found.world
        await said(world, "model activate", model="one", everywhere=True)
        await found.story()
        await said(world, "model activate", model="two")
        await found.story()
        choices = world.bot.parts.operation.choices
        assert await choices.for_guild(1) == Choice("one", found.worker.path("one"))
        listed = last(await command(world, "model list")).embeds[0].description or ""
        assert "🏠 **two**" in listed
        assert "🌍 **one**" in listed
        assert "held-out loss 2 · 90 % in the right language" in listed
        await said(world, "model rollback")
        await found.story()
        assert await found.models(database) == ["one", "two", "one"]


@pytest.mark.parametrize(
    ("loss", "match", "told"),
    [
        (2.5, 0.95, "held-out loss 2.5 instead of 2"),
        (1.9, 0.5, "right language 50 % instead of 90 %"),
        (None, None, "never been examined"),
    ],
)
async def test_a_worse_model_is_refused_unless_forced(
    database: Database, tmp_path: Path, loss: float | None, match: float | None, told: str
) -> None:
    async with scene(database, tmp_path, {"good": (2.0, 0.9), "other": (loss, match)}) as found:
        world = found.world
        await said(world, "model activate", model="good")
        refusal = await said(world, "model activate", model="other")
        assert "worse than good" in refusal
        assert told in refusal
        await found.story()
        await said(world, "model activate", model="other", force=True)
        await found.story()
        assert await found.models(database) == ["good", "other"]
        async with database.reading() as session:
            forced = (await session.scalars(select(ModelActivation.forced))).all()
        assert list(forced) == [False, True]


async def test_nothing_is_let_past_the_comparison_because_the_trainer_is_away(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"good": (2.0, 0.9), "worse": (2.5, 0.5)}) as found:
        await said(found.world, "model activate", model="worse", force=True)  # the worker has it from now on
        await said(found.world, "model activate", model="good")
        found.trainer.away = True
        assert "cannot be reached" in await said(found.world, "model activate", model="worse")
        await found.story()
        assert "From now on" in await said(found.world, "model activate", model="good"), "in use already"
        assert "From now on" in await said(found.world, "model activate", model="worse", force=True)
        await found.story()
        assert await found.models(database) == ["good", "worse"]


async def test_a_model_that_the_worker_does_not_take_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9), "broken": (1.0, 1.0)}) as found:
        await said(found.world, "model activate", model="one")
        (Path(found.worker.path("broken")) / "adapter_config.json").unlink()
        answer = await said(found.world, "model activate", model="broken")
        assert "does not take **broken**" in answer
        assert "No adapter found" in answer
        assert "I know no model **nothing**" in await said(found.world, "model activate", model="nothing")
        await found.story()
        assert await found.models(database) == ["one"]


async def test_a_model_whose_files_are_lost_later_is_stood_in_for_by_the_workers_own(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9)}) as found:
        await said(found.world, "model activate", model="one")
        (Path(found.worker.path("one")) / "adapter_config.json").unlink()
        await found.worker.lose_all()
        await found.story()
        assert await found.models(database) == ["fake"]


async def test_a_restarted_worker_has_the_model_in_use_again_before_it_answers(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9)}) as found:
        await said(found.world, "model activate", model="one")
        await found.story()
        await found.worker.lose_all()
        await found.story()
        assert await found.models(database) == ["one", "one"]
        await found.worker.lose_all()
        await found.world.bot.parts.operation.served.keep()
        assert await found.worker.served() == ["one"]


async def test_without_room_a_model_that_is_in_use_nowhere_makes_place(
    database: Database, tmp_path: Path
) -> None:
    figures: Figures = {"one": (2.0, 0.9), "two": (1.9, 0.95), "three": (1.8, 0.99)}
    async with scene(database, tmp_path, figures, most=2) as found:
        for name in figures:
            assert "From now on" in await said(found.world, "model activate", model=name)
        assert await found.worker.served() == ["three", "two"]


async def test_an_answer_that_is_being_written_ends_on_the_model_that_it_began_with(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9)}, tokens_per_second=60) as found:
        thread = await found.world.start_story("!words 60", MEMBER)
        await found.world.until(lambda: any("Lorem" in text for text in found.world.texts(thread)))
        assert "From now on" in await said(found.world, "model activate", model="one")
        assert found.world.bot.parts.dispatcher.running == 1, "the answer was still being written"
        await found.world.answered(thread)
        await found.story()
        assert await found.models(database) == ["fake", "one"]


async def test_a_comparison_is_blind_until_the_choice_which_is_noted(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9), "two": (1.9, 0.95)}) as found:
        world = found.world
        shown = last(await command(world, "model compare", prompt="a dragon", one="one", other="two"))
        assert [embed.title for embed in shown.embeds] == ["A", "B"]
        assert [embed.description for embed in shown.embeds] == ["a dragon", "a dragon"]
        result = await press(world, shown, "A is better")
        told = last(result)
        titles = [str(embed.title) for embed in told.embeds]
        async with database.reading() as session:
            row = (await session.scalars(select(ModelComparison))).one()
        assert titles == [f"A: {row.model_a} 🏆", f"B: {row.model_b}"]
        assert (row.choice, {row.model_a, row.model_b}) == ("a", {"one", "two"})
        assert "same model" in await said(world, "model compare", prompt="x", one="one", other="one")


async def test_while_the_worker_sleeps_for_a_run_requests_wait_and_members_are_told(
    database: Database, tmp_path: Path
) -> None:
    async with scene(database, tmp_path, {"one": (2.0, 0.9)}) as found:
        world = found.world
        async with database.transaction() as session:
            session.add(
                TrainingRun(
                    key="k",
                    job_id="ftjob-1",
                    guild_id=1,
                    channel_id=1,
                    operator_id=1,
                    recipe="toy",
                    dataset="shipped",
                    name="toy-1",
                    expected={},
                    status="running",
                    progress={
                        "stage": "training",
                        "step": 1,
                        "steps": 2,
                        "loss": None,
                        "held_out_loss": None,
                        "tokens_per_second": None,
                        "seconds_left": 600.0,
                    },
                )
            )
        await found.worker.sleep()
        thread = await world.start_story("a dragon", MEMBER)
        await world.until(
            lambda: any("A training run has the writing machine" in t for t in world.texts(thread))
        )
        (notice,) = world.texts(thread)
        assert "for about 10 minutes more" in notice
        assert "kept" in notice
        refusal = await said(world, "model activate", model="one")
        assert "The writing machine sleeps while a training run has it." in refusal
        await found.worker.wake_up()
        await world.answered(thread)
        assert await found.models(database) == ["fake"]
        assert "training run" not in " ".join(world.texts(thread))

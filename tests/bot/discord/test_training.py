"""`/admin train` as an operator meets it: the whole bot on a simulated Discord, with a trainer by real HTTP."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from simcord import GuildHandle
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import AuditEntry, DueForgetting, RunStatus, TrainingRun, now
from model.engine.fake import FakeEngine
from tests.bot.operation.stand_in import StandIn, adapter, report, trainer
from tests.bot.world import Shown, World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OWNER, MEMBER = 0, 1


def server(world: World) -> GuildHandle:
    """The server that all of it happens in."""
    assert world.channel.guild is not None
    return world.channel.guild


def faster(world: World) -> None:
    """The watch looks more often than Discord would bear."""
    world.bot.parts.watch._pace = 0.1
    world.bot.parts.watch.wake()


async def command(world: World, name: str, member: int = OWNER, **options: Any) -> Any:
    result = await world.members[member].slash(world.channel, f"admin {name}", **options)
    assert result.ephemeral
    await world.until(lambda: any(message.content or message.embeds for message in _messages(result)))
    return result


async def said(world: World, name: str, member: int = OWNER, **options: Any) -> str:
    return await world.reply(await command(world, name, member, **options))


def last(result: Any) -> Any:
    """The newest message of an answer to a command."""
    return _messages(result)[-1]


def _messages(result: Any) -> list[Any]:
    return [*([result.response] if result.response else []), *result.followups]


async def press(world: World, message: Any, label: str, member: int = OWNER) -> Any:
    buttons = {
        str(item.get("label") or item["emoji"]["name"]): str(item["custom_id"])
        for row in message.components
        for item in row.get("components", ())
    }
    result = await world.members[member].click(message, custom_id=buttons[label])
    await world.until(lambda: any(found.content or found.embeds for found in _messages(result)))
    return result


async def started(world: World, state: StandIn, **options: Any) -> Shown:
    """A run that was begun; the message that shows it."""
    faster(world)
    proposal = last(await command(world, "train start", recipe="toy", **options))
    await press(world, proposal, "Begin")
    await world.until(lambda: state.orders and world.shown(world.channel.id))
    return world.shown(world.channel.id)[-1]


def embed_of(world: World, place: int = 0) -> discord.Embed:
    return world.shown(world.channel.id)[place].embeds[0]


async def test_the_operators_commands_are_in_their_servers_alone_beside_what_every_server_has(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine(), operators=True) as world:
        everywhere = {c.name: c for c in await world.bot.tree.fetch_commands()}
        here = {
            c.name: c for c in await world.bot.tree.fetch_commands(guild=discord.Object(server(world).id))
        }
        assert set(here) == {"admin"}
        groups = {option.name for option in here["admin"].options}
        assert groups >= {"train", "model", "dataset"} | {
            option.name for option in everywhere["admin"].options
        }
        assert not {"train", "model", "dataset"} & {option.name for option in everywhere["admin"].options}
        assert "each member: 5 answers" in await said(world, "quota set", answers=5)


async def test_a_server_that_is_the_operators_no_more_loses_the_commands(database: Database) -> None:
    async with open_world(database, FakeEngine(), operators=True) as world:
        backend, guild = world.env.backend, discord.Object(server(world).id)
        assert await world.bot.tree.fetch_commands(guild=guild)
    async with open_world(database, FakeEngine(), backend=backend) as world:
        assert not await world.bot.tree.fetch_commands(guild=guild)


async def test_nobody_but_the_owners_is_answered_by_command_button_or_suggestion(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        proposal = last(await command(world, "train start", recipe="toy"))
        role = server(world).create_role("managers", permissions=discord.Permissions(manage_guild=True))
        await world.env.settle()
        world.env.backend.add_member_role(server(world).id, world.members[MEMBER].id, role.id)
        tries: tuple[tuple[str, dict[str, Any]], ...] = (
            ("train list", {}),
            ("train start", {"recipe": "toy"}),
            ("model activate", {"model": "x"}),
            ("dataset stats", {}),
        )
        for name, options in tries:
            assert "Only those who run me" in await said(world, name, MEMBER, **options)
        world.bot.owner_id = 1  # whoever ran the bot when this was shown runs it no more
        result = await press(world, proposal, "Begin")
        assert "Only those who run me" in await world.reply(result)
        assert state.orders == []
        assert "refused" in caplog.text
        async with database.transaction() as session:
            assert (await session.scalars(select(AuditEntry))).all() == []


async def test_a_run_is_proposed_with_its_figures_begun_once_and_noted(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        proposal = last(await command(world, "train start", recipe="toy"))
        for figure in ("400 rows", "100 steps", "2 minutes"):
            assert figure in proposal.content
        assert state.orders == []
        result = await press(world, proposal, "Begin")
        assert "It is shown here: https://discord.com/channels/" in await world.reply(result)
        again = await press(world, proposal, "Begin")
        assert "begun already" in await world.reply(again)
        (order,) = state.orders
        assert (order["model"], order["training_file"]) == ("fake", "shipped")
        assert order["metadata"]["recipe"] == "toy"
        assert order["metadata"]["method"] == "sft"
        async with database.transaction() as session:
            (entry,) = (await session.scalars(select(AuditEntry))).all()
        assert (entry.action, entry.actor_id) == ("train start", world.members[OWNER].id)
        assert entry.details["recipe"] == "toy"


async def test_a_run_is_one_message_edited_in_place_with_its_curves(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        await started(world, state)
        await world.until(lambda: "waits for its turn" in (embed_of(world).description or ""))
        state.go_on("ftjob-1", 40)
        await world.until(lambda: "40 %" in (embed_of(world).description or ""))
        embed = embed_of(world)
        figures = {field.name: field.value for field in embed.fields}
        assert figures == {
            "Step": "40 / 100",
            "Loss": "2.6",
            "Tokens a second": "1,234",
            "Time left": "2 minutes",
        }
        assert "▰▰▰▰▰▰▱" in (embed.description or "")
        (message,) = world.shown(world.channel.id)
        assert [a.filename for a in message.stored.attachments] == ["loss.png"]
        asked = state.curves_asked
        state.go_on("ftjob-1", 55)
        await world.until(lambda: "55 %" in (embed_of(world).description or ""))
        assert state.curves_asked == asked, "pictures are drawn at their own, slower pace"
        (message,) = world.shown(world.channel.id)
        assert [a.filename for a in message.stored.attachments] == ["loss.png"]


async def test_at_the_end_the_report_stands_beside_the_adapter_in_use_with_the_worst_answers(
    database: Database,
) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        await started(world, state)
        state.go_on("ftjob-1", 100, stage="evaluating")
        await world.until(lambda: "examined in all languages" in (embed_of(world).description or ""))
        state.succeed("ftjob-1")
        await world.until(lambda: len(world.shown(world.channel.id)) == 2)
        status, posted = world.shown(world.channel.id)
        assert "Done" in (status.embeds[0].description or "")
        assert status.buttons == {}
        overall, by_language = posted.embeds
        assert "held-out loss" in (overall.description or "")
        assert "90" in (overall.description or "")
        assert "de" in (by_language.description or "")
        assert [a.filename for a in posted.stored.attachments] == ["heatmap.png"]
        first = last(await press(world, posted.stored, "The worst answers"))
        (embed,) = first.embeds
        assert "Frage 0" in (embed.description or "")
        assert [field.value for field in embed.fields] == [
            "Bad answer 0.",
            "Worse answer.",
            "So wäre es gut.",
        ]
        shown = await said_report(world)
        assert "Report of training run 1" in (shown.embeds[0].title or "")


async def said_report(world: World) -> Any:
    return last(await command(world, "train report"))


async def test_a_run_goes_on_in_its_message_after_a_restart_of_the_bot(database: Database) -> None:
    async with trainer() as state:
        async with open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world:
            await started(world, state)
            backend = world.env.backend
        state.go_on("ftjob-1", 70)
        async with open_world(
            database, FakeEngine(), operators=True, trainer_url=state.url, backend=backend
        ) as world:
            faster(world)
            await world.until(lambda: "70 %" in (embed_of(world).description or ""))
            state.succeed("ftjob-1", report(in_use=None))
            await world.until(lambda: len(world.shown(world.channel.id)) == 2)
        assert len(state.orders) == 1


async def test_a_job_whose_number_was_not_noted_is_found_again_and_not_begun_twice(
    database: Database,
) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        await started(world, state)
        await world.until(lambda: "waits for its turn" in (embed_of(world).description or ""))
        async with database.transaction() as session:
            run = await session.get_one(TrainingRun, 1)
            run.job_id, run.status = None, type(run.status)("confirmed")
        state.go_on("ftjob-1", 30)
        await world.until(lambda: "30 %" in (embed_of(world).description or ""))
        assert len(state.orders) == 1


async def test_a_trainer_that_is_away_is_told_of_and_the_run_goes_on_when_it_is_back(
    database: Database,
) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        await started(world, state)
        state.go_on("ftjob-1", 20)
        await world.until(lambda: "20 %" in (embed_of(world).description or ""))
        state.away = True
        await world.until(lambda: "cannot be reached" in (embed_of(world).description or ""))
        assert "20 %" in (embed_of(world).description or "")
        assert "cannot be reached" in await said(world, "train start", recipe="toy")
        state.away = False
        state.go_on("ftjob-1", 60)
        await world.until(lambda: "60 %" in (embed_of(world).description or ""))
        assert "cannot be reached" not in (embed_of(world).description or "")


async def test_a_failed_run_says_why_and_a_cancelled_one_that_it_was_stopped(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        await started(world, state)
        await world.until(lambda: state.jobs)
        state.jobs["ftjob-1"] |= {
            "status": "failed",
            "error": {"message": "no memory was left", "code": "x", "param": None},
        }
        await world.until(lambda: "no memory was left" in (embed_of(world).description or ""))
        second = last(await command(world, "train start", recipe="toy"))
        await press(world, second, "Begin")
        await world.until(lambda: len(world.shown(world.channel.id)) == 2)
        result = await press(world, world.shown(world.channel.id)[1].stored, "Stop it")
        assert "is stopped" in await world.reply(result)
        await world.until(lambda: "It was stopped" in (embed_of(world, 1).description or ""))
        assert state.jobs["ftjob-2"]["status"] == "cancelled"
        listed = await said(world, "train list")
        assert "❌ 1:" in listed
        assert "⏹️ 2:" in listed
        assert "over, or was never begun" in await said(world, "train cancel")


async def test_a_stopped_run_is_looked_at_until_the_trainer_says_that_it_does_not_train_it(
    database: Database,
) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        await started(world, state)
        await world.until(lambda: state.jobs)
        state.away = True
        async with database.transaction() as session:
            # As a bot leaves it that is told to stop the run while the trainer's answer to its beginning is lost.
            row = (await session.scalars(select(TrainingRun))).one()
            row.status, row.job_id, row.finished_at = RunStatus.CANCELLED, None, now()
        await world.until(lambda: "It was stopped" in (embed_of(world).description or ""))
        assert state.jobs["ftjob-1"]["status"] != "cancelled"
        state.away = False
        await world.until(lambda: state.jobs["ftjob-1"]["status"] == "cancelled")


async def test_what_the_trainer_cannot_or_will_not_do_is_said_in_its_own_words(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        assert "it needs 24 GB of GPU memory" in await said(world, "train start", recipe="huge")
        assert "There is no dataset 'lost' here." in (
            await said(world, "train start", recipe="toy", dataset="lost")
        ).replace("\\", "")
        state.refusal = "line 3: its answers are by 'x' of another family"
        faster(world)
        await press(world, last(await command(world, "train start", recipe="toy")), "Begin")
        await world.until(lambda: world.shown(world.channel.id))
        await world.until(lambda: "of another family" in (embed_of(world).description or ""))
        assert "It failed" in (embed_of(world).description or "")


async def test_without_a_trainer_the_commands_say_how_to_set_one(database: Database) -> None:
    async with open_world(database, FakeEngine(), operators=True) as world:
        assert "set TRAINER_URL" in (await said(world, "train start", recipe="toy")).replace("\\", "")


async def test_rated_answers_without_an_adapter_to_move_are_refused_in_plain_words(
    database: Database,
) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        state.datasets.append({"id": "file-9", "name": "rated.jsonl", "rows": 3, "kind": "rated"})
        refused = await said(world, "train start", recipe="toy", rated="file-9")
        assert "What answers here now is **fake**" in refused
        assert "Train an adapter on chats first" in refused
        refused = await said(world, "train start", recipe="toy", rated="file-9", begin_with="lost")
        assert "The trainer has no adapter **lost**" in refused
        refused = await said(world, "train start", recipe="toy", begin_with="lost")
        assert "Leave **begin_with** out" in refused
        assert state.estimates == []
        async with database.transaction() as session:
            assert (await session.scalars(select(TrainingRun))).all() == []


async def test_what_is_estimated_is_what_is_begun(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        state.adapters.append(adapter("fake", "/adapters/fake"))
        proposal = last(await command(world, "train start", recipe="toy", languages="de, EN", samples=2))
        await press(world, proposal, "Begin")
        await world.until(lambda: state.orders)
        asked = {"languages": "de,en", "samples": "2", "compare_with": "fake"}
        assert state.estimates == [{"dataset": "shipped", **asked}]
        assert asked.items() <= state.orders[0]["metadata"].items()


async def test_it_is_set_beside_what_is_in_use_where_both_are_over_the_same_base(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        state.adapters.append({**adapter("fake", "/adapters/fake"), "preset": "another", "base": "fake-base"})
        assert "it is set beside fake" in last(await command(world, "train start", recipe="toy")).content
        state.adapters[0]["base"] = "another-base"
        assert "set beside" not in last(await command(world, "train start", recipe="toy")).content


async def test_rated_answers_move_the_adapter_in_use_unless_another_is_named(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        state.datasets.append({"id": "file-9", "name": "rated.jsonl", "rows": 3, "kind": "rated"})
        state.adapters += [adapter(name, f"/adapters/{name}") for name in ("fake", "older")]
        tries: tuple[tuple[dict[str, Any], str], ...] = (({}, "fake"), ({"begin_with": "older"}, "older"))
        for given, begins_with in tries:
            proposal = last(await command(world, "train start", recipe="toy", rated="file-9", **given))
            assert "3 rows" in proposal.content
            assert f"begins with the adapter {begins_with}" in proposal.content
            await press(world, proposal, "Begin")
        metadata = [order["metadata"] for order in state.orders]
        assert [each["method"] for each in metadata] == ["kto", "kto"]
        assert [each["rated_file"] for each in metadata] == ["file-9", "file-9"]
        assert [each["start_adapter"] for each in metadata] == ["fake", "older"]
        assert "I do not know the languages xx" in await said(
            world, "train start", recipe="toy", languages="en xx"
        )


async def test_no_run_begins_while_the_trainer_has_rows_of_somebody_who_left(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        proposal = last(await command(world, "train start", recipe="toy"))
        async with database.transaction() as session:
            session.add(DueForgetting(alias="abc"))
        await press(world, proposal, "Begin")
        await world.until(lambda: state.orders)
        assert state.forgotten == ["abc"]
        async with database.transaction() as session:
            assert (await session.scalars(select(DueForgetting))).all() == []


async def test_recipes_and_datasets_are_suggested_to_owners_alone(database: Database) -> None:
    async with (
        trainer() as state,
        open_world(database, FakeEngine(), operators=True, trainer_url=state.url) as world,
    ):
        state.datasets.append({"id": "file-9", "name": "rated.jsonl", "rows": 3, "kind": "rated"})

        async def values(member: int, option: str, typed: str) -> list[object]:
            found = await world.members[member].autocomplete(
                world.channel, "admin train start", option, typed, recipe="toy"
            )
            return [choice["value"] for choice in found]

        assert await values(OWNER, "recipe", "to") == ["toy"]
        assert await values(OWNER, "dataset", "own") == ["shipped"]
        assert await values(OWNER, "rated", "") == ["file-9"]
        world.bot.owner_id = 1
        assert await values(OWNER, "recipe", "to") == []

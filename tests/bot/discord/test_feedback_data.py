"""`/admin dataset`: from members' verdicts to the trainer and, under `/privacy`, away from it again; the whole bot on a
simulated Discord."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import (
    AuditEntry,
    DueForgetting,
    Member,
    Message,
    Role,
    TrainingContribution,
    TrainingUpload,
)
from bot.operation.forgetting import TrainerHolder
from bot.privacy.deletion_log import DeletionLog
from bot.privacy.service import PrivacyService
from bot.trainer import FileKind, Stored, TrainerRefused, TrainerUnreachable
from bot.trainer_client import Trainer
from model.engine.fake import FakeEngine
from tests.bot.discord.test_training import command, last, press
from tests.bot.operation.stand_in import adapter, trainer
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OWNER, ADA, BEN, CAI = 0, 0, 1, 2
ANSWERS = ["The heron waits by the lake.", "A bad answer, all in all."]


async def consents(database: Database, world: World, member: int, agreed: bool = True) -> None:
    async with database.transaction() as session:
        await session.merge(Member(id=world.members[member].id, training_consent=agreed))


async def rated_story(world: World, member: int, emoji: str, prompt: str = "a heron by a lake") -> int:
    """A story of one exchange, with the member's verdict on it."""
    thread = await world.start_story(prompt, member)
    (answer,) = await world.answered(thread)
    pressed = await world.press(answer, emoji, member)
    if emoji == "👍":  # 👎 opens a form, which nobody has to send in
        assert "Noted" in await world.reply(pressed)
    return thread


async def test_only_what_everybody_agreed_to_is_counted_and_the_rest_is_left_out_with_the_reason(
    database: Database,
) -> None:
    engine = FakeEngine(replies=[*ANSWERS, "Another.", "And one."])
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await rated_story(world, BEN, "👎")
        thread = await rated_story(world, CAI, "👍")
        await consents(database, world, BEN)
        embed = last(await command(world, "dataset preview")).embeds[0]
        assert "1 liked chat to learn from" in (embed.description or "")
        assert "2 rated answers (KTO): 👍 1 · 👎 1" in (embed.description or "")
        fields = {field.name: field.value or "" for field in embed.fields}
        assert fields["Languages"] == "English 2"
        assert "fake/base/plain: 2" in fields["Written by"]
        assert fields["Left out"].startswith("- 1: somebody who wrote in the story")
        # A second writer who has not agreed takes a story out, one who has brings it in.
        await consents(database, world, CAI)
        await world.members[BEN].send(world.handle(thread), "and a frog")
        await world.answered(thread, 2)
        await consents(database, world, BEN, agreed=False)
        embed = last(await command(world, "dataset preview")).embeds[0]
        assert "0 rated answers" in (embed.description or "")
        assert "- 3: somebody" in {field.name: field.value or "" for field in embed.fields}["Left out"]


async def test_what_is_given_to_the_trainer_names_nobody_and_says_which_model_wrote_it(
    database: Database,
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍", "a heron for <@123456789012345678>")
        await rated_story(world, BEN, "👎")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        assert state.forms == []
        answer = await world.reply(await press(world, offer, "Give it to the trainer"))
        assert "liked chats (SFT): the trainer took 1 row." in answer
        assert "rated answers (KTO): the trainer took 2 rows." in answer
        chats, rated = state.forms
        assert (chats["kind"], rated["kind"]) == ("chats", "rated")
        (row,) = chats["rows"]
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
        assert row["messages"][1]["content"] == ANSWERS[0]
        assert row["language"] == "en"
        assert row["model"].startswith("fake")
        assert [each["rating"] for each in rated["rows"]] == [1, -1]
        ben = world.members[BEN]
        text = json.dumps(state.forms)
        for personal in (str(ben.id), ben.user.global_name or "Ben", "<@123456789012345678>"):
            assert personal not in text
        assert row["members"] == chats["members"]
        async with database.reading() as session:
            uploads = (await session.scalars(select(TrainingUpload))).all()
            parts = (await session.scalars(select(TrainingContribution))).all()
            actions = (await session.scalars(select(AuditEntry.action))).all()
        assert [(upload.kind, upload.rows) for upload in uploads] == [("chats", 1), ("rated", 2)]
        assert {part.member_id for part in parts} == {ben.id}
        assert {part.alias for part in parts} == set(chats["members"])
        assert list(actions) == ["dataset add-feedback"]
        stats = last(await command(world, "dataset stats")).embeds[0]
        assert "feedback" in (stats.description or "")
        assert "2 rows" in (stats.fields[0].value or "")


async def test_answers_of_different_families_of_models_go_into_files_of_their_own(database: Database) -> None:
    engine = FakeEngine(replies=["One heron.", "Two herons.", "Three herons."])
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        state.adapters.append({**adapter("summer", "/adapters/summer"), "lineage": "llama3"})
        writers = ("fake/base/plain", "llama3-8b/summer/llama3", "a model: unheard of")
        for writer in writers:
            await rated_story(world, BEN, "👍")
            async with database.transaction() as session:
                query = (
                    select(Message).where(Message.role == Role.ASSISTANT).order_by(Message.id.desc()).limit(1)
                )
                row = (await session.scalars(query)).one()
                row.model, row.fingerprint = writer, writer
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        answer = await world.reply(await press(world, offer, "Give it to the trainer"))
        assert "liked chats (SFT) · llama3: the trainer took 1 row." in answer
        assert "rated answers (KTO) · a model: unheard of: the trainer took 1 row." in answer
        found = [(form["kind"], [row["model"] for row in form["rows"]]) for form in state.forms]
        assert found == [(kind, [writer]) for kind in ("chats", "rated") for writer in writers]
        names = [each["name"] for each in state.datasets]
        assert sum("feedback-chats-llama3-" in name for name in names) == 1


async def test_rows_that_the_trainer_finds_fault_with_are_left_out_and_it_says_why(
    database: Database,
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await rated_story(world, BEN, "👎")
        await consents(database, world, BEN)
        state.lines_refused = {2: "it goes round in circles"}
        offer = last(await command(world, "dataset add-feedback"))
        answer = await world.reply(await press(world, offer, "Give it to the trainer"))
        assert "It found fault with 1 row:" in answer
        assert "2: it goes round in circles" in answer
        async with database.reading() as session:
            part = (
                await session.scalars(select(TrainingContribution).order_by(TrainingContribution.id.desc()))
            ).first()
        assert part is not None
        assert len(part.row_ids) == 1


async def test_a_members_rows_are_in_their_export_and_forgotten_with_them_even_by_a_trainer_that_is_away(
    database: Database, tmp_path: Path
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        await press(world, offer, "Give it to the trainer")
        alias = state.forms[0]["members"][0]
        holder = TrainerHolder(database, world.bot.parts.operation.trainer)
        rows = await holder.collect(world.members[BEN].id)
        assert [row["content"]["messages"][1]["content"] for row in rows] == [ANSWERS[0], ANSWERS[0]]
        assert await holder.collect(world.members[CAI].id) == []

        async def never(_: int) -> None:
            raise AssertionError

        privacy = PrivacyService(database, DeletionLog(tmp_path / "log.jsonl"), holders=[holder], stop=never)
        state.away = True
        receipt = await privacy.delete(world.members[BEN].id, take_down=False)
        assert receipt.counts["training rows"] == 2
        assert state.forgotten == []
        async with database.reading() as session:
            assert (await session.scalars(select(DueForgetting.alias))).all() == [alias]
            assert (await session.scalars(select(TrainingContribution))).all() == []
        state.away = False
        assert await world.bot.parts.operation.forgetting.carry_out()
        assert state.forgotten == [alias]
        preview = last(await command(world, "dataset preview")).embeds[0]
        assert "0 rated answers" in (preview.description or "")


async def test_who_takes_their_consent_back_has_their_rows_removed_before_another_run(
    database: Database,
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        await world.reply(await press(world, offer, "Give it to the trainer"))
        alias = state.forms[0]["members"][0]
        proposal = last(await command(world, "train start", recipe="toy"))
        answer = await world.members[BEN].slash(world.channel, "privacy training-consent", allowed=False)
        assert "is not trained on" in await world.reply(answer)
        await world.reply(await press(world, proposal, "Begin"))
        assert state.forgotten == [alias]
        async with database.reading() as session:
            assert (await session.scalars(select(TrainingContribution))).all() == []


async def test_who_takes_their_consent_back_while_the_file_is_on_its_way_is_forgotten_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        content = Trainer.content

        async def meanwhile(there: Trainer, file_id: str) -> bytes:
            await world.bot.parts.privacy.set_consent(world.members[BEN].id, given=False)
            return await content(there, file_id)

        monkeypatch.setattr(Trainer, "content", meanwhile)
        await world.reply(await press(world, offer, "Give it to the trainer"))
        assert [form["kind"] for form in state.forms] == ["chats"], "no more of theirs goes out"
        async with database.reading() as session:
            assert (await session.scalars(select(TrainingContribution))).all() == []
            due = (await session.scalars(select(DueForgetting.alias))).all()
        assert due == state.forms[0]["members"]


async def test_what_the_trainer_forgot_before_the_file_arrived_it_has_to_forget_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        parts, upload = world.bot.parts, Trainer.upload

        async def slow(
            there: Trainer, name: str, content: bytes, kind: FileKind, members: list[str]
        ) -> Stored:
            await parts.privacy.set_consent(world.members[BEN].id, given=False)
            assert await parts.operation.forgetting.carry_out()
            return await upload(there, name, content, kind, members)

        monkeypatch.setattr(Trainer, "upload", slow)
        await world.reply(await press(world, offer, "Give it to the trainer"))
        ((alias,),) = [form["members"] for form in state.forms]
        assert await parts.operation.forgetting.carry_out()
        assert state.forgotten == [alias, alias]


async def test_a_file_that_the_trainer_took_without_the_bot_hearing_of_it_is_known_and_reached(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        uploads, upload = world.bot.parts.operation.uploads, Trainer.upload

        async def unheard(
            there: Trainer, name: str, content: bytes, kind: FileKind, members: list[str]
        ) -> Stored:
            stored = await upload(there, name, content, kind, members)
            if kind == "rated":
                raise TrainerUnreachable("the connection broke off")
            return stored

        monkeypatch.setattr(Trainer, "upload", unheard)
        answer = await world.reply(await press(world, offer, "Give it to the trainer"))
        assert "cannot be reached" in answer
        (alias,) = state.forms[0]["members"]
        ids = [each["id"] for each in state.datasets if each["name"].startswith("feedback-")]

        async def noted() -> tuple[list[str], list[str], list[str]]:
            async with database.reading() as session:
                return (
                    list(await session.scalars(select(TrainingUpload.file_id).order_by(TrainingUpload.id))),
                    list(await session.scalars(select(TrainingContribution.alias))),
                    [each["files"] for each in await session.scalars(select(AuditEntry.details))],
                )

        files, aliases, given = await noted()
        assert (files[0], aliases, given) == (ids[0], [alias, alias], [[ids[0]]])
        assert [each.file_id for each in await uploads.newest()] == [ids[0]]
        # A third never arrived. What is so fresh that it may be on its way still is left as it is.
        async with database.transaction() as session:
            session.add(
                TrainingUpload(file_id="feedback-lost.jsonl", kind="chats", rows=1, counts={}, actor_id=1)
            )
        await uploads.settle()
        assert (await noted())[0] == [*files, "feedback-lost.jsonl"]
        async with database.transaction() as session:
            for row in await session.scalars(select(TrainingUpload)):
                row.created_at -= timedelta(hours=2)
        await uploads.settle()
        assert (await noted())[:2] == (ids, [alias, alias])
        await world.bot.parts.privacy.set_consent(world.members[BEN].id, given=False)
        assert await world.bot.parts.operation.forgetting.carry_out()
        assert state.forgotten == [alias]


async def test_of_a_file_that_the_trainer_refuses_nothing_stays_noted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))

        async def refused(*_: object) -> Stored:
            raise TrainerRefused("too large")

        monkeypatch.setattr(Trainer, "upload", refused)
        assert "took none of it" in await world.reply(await press(world, offer, "Give it to the trainer"))
        async with database.reading() as session:
            for table in (TrainingUpload, TrainingContribution, DueForgetting):
                assert (await session.scalars(select(table))).all() == []


async def test_with_nothing_to_give_there_is_no_button_and_a_late_press_says_so(database: Database) -> None:
    engine = FakeEngine(replies=list(ANSWERS))
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        empty = last(await command(world, "dataset add-feedback"))
        assert empty.components == []
        await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        offer = last(await command(world, "dataset add-feedback"))
        await consents(database, world, BEN, agreed=False)
        answer = await world.reply(await press(world, offer, "Give it to the trainer"))
        assert "no rated chat that may be trained on" in answer
        assert state.forms == []


async def test_mature_unfinished_and_divided_answers_are_left_out(database: Database) -> None:
    engine = FakeEngine(replies=["One.", "Two.", "Three."])
    async with (
        trainer() as state,
        open_world(database, engine, operators=True, trainer_url=state.url) as world,
    ):
        for _ in range(3):
            await rated_story(world, BEN, "👍")
        await consents(database, world, BEN)
        await consents(database, world, CAI)
        async with database.transaction() as session:
            answers = (
                await session.scalars(
                    select(Message).where(Message.role == Role.ASSISTANT).order_by(Message.id)
                )
            ).all()
            answers[0].finish_reason = "length"
            answers[1].written_language, answers[1].expected_language = "de", "en"
        thread = world.threads[2]
        await world.press(world.shown(thread)[0], "👎", CAI)
        embed = last(await command(world, "dataset preview")).embeds[0]
        left_out = {field.name: field.value or "" for field in embed.fields}["Left out"]
        for reason in ("stopped, cut off or failed", "wrong language", "as many liked it as did not"):
            assert reason in left_out
        assert "0 rated answers" in (embed.description or "")

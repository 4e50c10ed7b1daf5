"""Deleting a member's data: every table, nobody else's words, once, and again where a backup brings it back."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, select, update

from bot.application import open_foundation
from bot.conversations.repository import ConversationRepository
from bot.conversations.turns import Said
from bot.database.connection import Database, open_database
from bot.database.tables import (
    Base,
    Conversation,
    Deletion,
    Job,
    Member,
    Message,
    MessageStatus,
    Role,
    Takedown,
    now,
)
from bot.privacy.deletion_log import DeletionLog, log_path
from bot.privacy.service import PrivacyService, Receipt, carry_out, keep_promises
from bot.privacy.subject import Subject
from bot.settings import Settings
from tests.bot.privacy.seeding import (
    ME,
    MINE,
    OTHER,
    THEIRS,
    add_running_answer,
    everything,
    seed,
)
from tests.bot.rows import begin, service


async def never_stops(answer_id: int) -> None:
    """Whoever writes the answer does not listen."""


def privacy(database: Database, folder: Path, **more: Any) -> PrivacyService:
    log = DeletionLog(folder / "deletions.jsonl")
    return PrivacyService(database, log, **{"stop": never_stops, **more})


async def restore(database: Database, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Bring back all tables as they were."""
    async with database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            await session.execute(sql_delete(table))
        for table in Base.metadata.sorted_tables:
            await session.execute(table.insert(), rows[table.name])


async def delete(database: Database, folder: Path, *, take_down: bool = True) -> Receipt:
    return await privacy(database, folder).delete(ME, take_down=take_down)


async def test_the_seed_has_something_in_every_table(database: Database) -> None:
    """A new table has to be thought of here, and in the deletion."""
    await seed(database)
    rows = await everything(database)
    assert [name for name in Base.metadata.tables if not rows[name]] == []


async def test_nothing_of_the_member_is_left_in_any_table(database: Database, tmp_path: Path) -> None:
    await seed(database)
    before = str(await everything(database))
    assert str(ME) in before
    assert MINE in before
    await delete(database, tmp_path)
    after = await everything(database)
    assert [name for name, rows in after.items() if str(ME) in str(rows) or MINE in str(rows)] == []


async def test_others_keep_every_word_and_row_of_theirs(database: Database, tmp_path: Path) -> None:
    await seed(database)

    async def of_others() -> list[str]:
        async with database.transaction() as session:
            texts = await session.scalars(select(Message.content).where(Message.author_id == OTHER))
            answers = await session.scalars(
                select(Message.content).where(Message.content.contains("words")).order_by(Message.id)
            )
            return [*sorted(texts), *answers]

    before = await of_others()
    rows_before = await everything(database)
    await delete(database, tmp_path)
    assert await of_others() == before
    rows = await everything(database)
    for table in ("quota", "moderation_event", "audit_entry", "member", "job", "pin"):
        theirs = [row for row in rows_before[table] if str(OTHER) in str(row)]
        assert all(row in rows[table] for row in theirs), table
    assert any(THEIRS in str(row) for row in rows["cached_page"])


async def test_the_tree_of_a_story_of_several_stays_usable(database: Database, tmp_path: Path) -> None:
    stories = await seed(database)
    await delete(database, tmp_path)
    async with database.transaction() as session:
        repository = ConversationRepository(session)
        assert await session.get(Conversation, stories["mine"]) is None
        ours = await repository.get(stories["ours"])
        path = await repository.branch(ours.active_leaf_id)
        assert [m.content for m in path] == [
            "",
            "the model's own words",
            f"{THEIRS} two",
            "more of the model's words",
        ]
        assert path[0].deleted_at is not None
        assert (ours.opener_id, ours.title) == (0, "A story")
        theirs = await repository.get(stories["theirs"])
        assert (theirs.opener_id, theirs.title) == (OTHER, f"{THEIRS} title")
        assert ours.thread_id is not None
    said = Said(ours.thread_id, 99_001, OTHER, "Other", "go on")
    assert await service(database).say(said) is not None


async def test_the_receipt_counts_what_went_and_is_kept_without_a_name(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    receipt = await delete(database, tmp_path)
    assert receipt.counts == {
        "answers": 1,
        "audit entries": 2,
        "cached pages": 1,
        "comparisons": 1,
        "export details": 2,
        "feedback": 1,
        "looked-up pages": 2,
        "messages": 3,
        "moderation events": 1,
        "operator's entries": 3,
        "pins": 2,
        "profile": 1,
        "quotas": 1,
        "requests": 2,
        "stories": 1,
        "summaries": 2,
        "titles": 1,
        "training rows": 2,
    }
    async with database.transaction() as session:
        assert (await session.get_one(Deletion, receipt.id)).counts == receipt.counts


async def test_the_trainer_has_still_to_forget_the_members_rows(database: Database, tmp_path: Path) -> None:
    await seed(database)
    await delete(database, tmp_path)
    rows = await everything(database)
    assert [row["alias"] for row in rows["due_forgetting"]] == ["somebody who left before", "alias-1"]
    assert [row["member_id"] for row in rows["training_contribution"]] == [OTHER]


async def test_what_the_bot_posted_is_taken_down_only_where_that_was_asked_for(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    await delete(database, tmp_path, take_down=False)
    async with database.transaction() as session:
        assert len((await session.scalars(select(Takedown))).all()) == 1, "the seed's own"


async def test_taken_down_are_notices_in_every_thread_and_what_quotes_the_prompts(
    database: Database, tmp_path: Path
) -> None:
    stories = await seed(database)
    rows = {row["id"]: row for row in (await everything(database))["conversation"]}
    await delete(database, tmp_path)
    async with database.transaction() as session:
        due = (await session.scalars(select(Takedown).where(Takedown.channel_id != 1))).all()
    messages = {row.discord_message_id for row in due if row.discord_message_id is not None}
    assert messages == {rows[stories[name]]["starter_message_id"] for name in ("mine", "ours")}
    titles = [(row.channel_id, row.new_title) for row in due if row.new_title is not None]
    assert titles == [(rows[stories["ours"]]["thread_id"], "A story")]
    swept = {row.channel_id for row in due if row.discord_message_id is None and row.new_title is None}
    assert swept == {row["thread_id"] for row in rows.values()}


async def test_an_answer_that_is_being_written_for_them_ends(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories = await seed(database)
    answer_id = await add_running_answer(database, stories["theirs"])
    monkeypatch.setattr("bot.privacy.service._PATIENCE", 0.2)
    stopped: list[int] = []

    async def stop(answer_id: int) -> None:
        stopped.append(answer_id)

    await privacy(database, tmp_path, stop=stop).delete(ME, take_down=True)
    assert stopped == [answer_id]
    async with database.transaction() as session:
        answer = await session.get_one(Message, answer_id)
        assert (answer.status, answer.content) == (MessageStatus.STOPPED, "half of")
        assert (await session.scalars(select(Job).where(Job.answer_id == answer_id))).all() == []


async def test_where_two_members_leave_one_after_the_other_nothing_of_their_story_stays(
    database: Database, tmp_path: Path
) -> None:
    stories = await seed(database)
    service = privacy(database, tmp_path)
    await service.delete(ME, take_down=False)
    await service.delete(OTHER, take_down=False)
    async with database.transaction() as session:
        assert [await session.get(Conversation, story) for story in stories.values()] == [None] * 3


async def test_a_story_of_two_thousand_messages_is_deleted(database: Database, tmp_path: Path) -> None:
    queued = await begin(database, member=ME)
    ids = range(10_000, 12_000)
    async with database.transaction() as session:
        await session.execute(
            insert(Message),
            [
                {
                    "id": number,
                    "conversation_id": queued.conversation_id,
                    "parent_id": number - 1 if number > ids[0] else queued.answer_id,
                    "role": Role.USER,
                    "author_id": ME,
                }
                for number in ids
            ],
        )
    receipt = await delete(database, tmp_path)
    assert receipt.counts["messages"] == 2001
    assert (await everything(database))["message"] == []


async def test_a_crash_in_the_middle_is_finished_at_the_next_start(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    log = DeletionLog(tmp_path / "deletions.jsonl")
    await log.promise(ME, now(), posts=True)  # and then the process dies
    assert str(ME) in str(await everything(database))
    (receipt,) = await keep_promises(database, log)
    assert receipt.counts["stories"] == 1
    rows = await everything(database)
    assert str(ME) not in str(rows)
    assert any(row["channel_id"] != 1 for row in rows["takedown"]), "what was chosen is remembered"
    assert await keep_promises(database, log) == [], "once"


async def test_a_crash_inside_of_the_deletion_leaves_all_or_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(database)
    before = await everything(database)

    async def dies(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("bot.privacy.erasure.Erasure._clear_audit", dies)
    with pytest.raises(RuntimeError):
        await delete(database, tmp_path)
    assert await everything(database) == before
    monkeypatch.undo()
    log = DeletionLog(tmp_path / "deletions.jsonl")
    assert len(await keep_promises(database, log)) == 1
    assert str(ME) not in str(await everything(database))


async def test_two_processes_that_start_together_carry_it_out_once(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    log = DeletionLog(tmp_path / "deletions.jsonl")
    entry = await log.promise(ME, now(), posts=False)
    subject = await log.subject(entry)
    receipts = await asyncio.gather(*(carry_out(database, entry, subject) for _ in range(2)))
    assert receipts[0] == receipts[1]
    assert receipts[0].counts["stories"] == 1


async def test_what_a_member_wrote_after_a_deletion_outlives_its_replay(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    log = DeletionLog(tmp_path / "deletions.jsonl")
    await log.promise(ME, now() - timedelta(seconds=1), posts=False)
    async with database.transaction() as session:
        for table in (Conversation, Message, Job, Member):
            await session.execute(update(table).values(created_at=now() - timedelta(days=1)))
    queued = await begin(database, member=ME, text="I am back")
    await keep_promises(database, log)
    async with database.transaction() as session:
        texts = (await session.scalars(select(Message.content).where(Message.author_id == ME))).all()
        assert texts == ["I am back"]
        assert await session.get(Member, ME) is not None
        assert await session.get(Job, queued.job_id) is not None


class Training:
    """A holder of data outside of the database, as the trainer's would be."""

    name = "training rows"

    def __init__(self) -> None:
        self.rows = [(ME, "a row"), (OTHER, "another"), (ME, "a third")]
        self.fails = False

    async def collect(self, member_id: int) -> list[dict[str, Any]]:
        return [{"text": text} for member, text in self.rows if member == member_id]

    async def forget(self, subject: Subject) -> int:
        if self.fails:
            raise OSError("the trainer is away")
        gone = subject.among(member for member, _ in self.rows)
        kept = [row for row in self.rows if row[0] not in gone]
        removed, self.rows = len(self.rows) - len(kept), kept
        return removed


async def test_who_holds_data_elsewhere_deletes_it_too_and_again_after_a_failure(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    training = Training()
    training.fails = True
    with pytest.raises(OSError, match="trainer"):
        await privacy(database, tmp_path, holders=[training]).delete(ME, take_down=False)
    training.fails = False
    (receipt,) = await keep_promises(database, DeletionLog(tmp_path / "deletions.jsonl"), [training])
    assert receipt.counts["training rows"] == 2 + 2, "those elsewhere, and those that the trainer was given"
    assert [member for member, _ in training.rows] == [OTHER]


async def test_a_restored_backup_has_the_deletion_carried_out_again(
    database: Database, tmp_path: Path
) -> None:
    await seed(database)
    backup = await everything(database)
    await delete(database, tmp_path)
    await restore(database, backup)
    assert str(ME) in str(await everything(database))
    assert len(await keep_promises(database, DeletionLog(tmp_path / "deletions.jsonl"))) == 1
    rows = await everything(database)
    assert str(ME) not in str(rows)
    assert MINE not in str(rows)


@pytest.mark.parametrize("database_url", [pytest.param("sqlite", marks=pytest.mark.sqlite)], indirect=True)
async def test_the_next_start_with_a_restored_file_carries_it_out(
    database_url: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    file, backup = tmp_path / "fanfabler.db", tmp_path / "backup.db"
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, database_url=database_url, worker_url=f"http://127.0.0.1:{unused_tcp_port}/v1"
    )
    async with open_database(database_url) as database:
        await seed(database)
    shutil.copy(file, backup)
    async with open_database(database_url) as database:
        log = DeletionLog(log_path(settings))
        await PrivacyService(database, log, stop=never_stops).delete(ME, take_down=False)
    for leftover in tmp_path.glob("fanfabler.db*"):
        leftover.unlink()
    shutil.copy(backup, file)
    async with open_foundation(settings) as foundation:
        assert str(ME) not in str(await everything(foundation.database))

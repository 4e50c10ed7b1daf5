"""Backups and their way back, on both databases, also while the bot writes."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.database.backup import BackupFailed, back_up, restore
from bot.database.backup_commands import run_backup, run_restore
from bot.database.connection import Database, open_database
from bot.database.presence import BeingRestored, BotServes, alone, serving
from bot.database.schema import head_revision, upgrade
from bot.database.tables import (
    Conversation,
    DueForgetting,
    Member,
    Message,
    TrainingContribution,
    TrainingUpload,
    now,
)
from bot.privacy.deletion_log import DeletionLog, log_path
from bot.privacy.service import PrivacyService, keep_withdrawals
from bot.settings import Settings
from tests.bot.conftest import apart
from tests.bot.rows import begin
from tests.databases import create_postgres, drop_postgres, postgres_url, sqlite_url

ROOT = Path(__file__).parents[3]
on_sqlite = pytest.mark.parametrize(
    "database_url", [pytest.param("sqlite", marks=pytest.mark.sqlite)], indirect=True
)
on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
async def elsewhere(database_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The address of another database of the same kind, with nothing in it."""
    if database_url.startswith("sqlite"):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        yield sqlite_url(folder)
        return
    if shutil.which("pg_dump") is None:
        pytest.skip("needs PostgreSQL's client programs")
    name = await asyncio.to_thread(apart, create_postgres())
    yield postgres_url(name)
    await asyncio.to_thread(apart, drop_postgres(name))


async def stories(url: str) -> list[str]:
    async with open_database(url) as database, database.transaction() as session:
        return list(await session.scalars(select(Conversation.title).order_by(Conversation.id)))


def settings(url: str, log: Path) -> Settings:
    return Settings(_env_file=None, database_url=url, deletion_log=str(log))  # type: ignore[call-arg]


async def test_what_is_backed_up_comes_back(
    database: Database, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    for title in ("A heron", "Ein Reiher «ß» 鷺"):
        await begin(database, text=title, title=title)
    backup = tmp_path / "backup"
    made = await back_up(database_url, backup)
    assert (made.stories, made.messages, made.revision) == (2, 4, head_revision())
    assert backup.stat().st_mode & 0o777 == 0o600
    assert await begin(database, text="later", title="later")
    await restore(elsewhere, backup)
    assert await stories(elsewhere) == ["A heron", "Ein Reiher «ß» 鷺"]
    async with open_database(elsewhere) as brought:
        await upgrade(brought)
        queued = await begin(brought, member=7, text="goes on", title="goes on")
        assert queued.conversation_id == 3, "ids go on where they were"


async def test_a_backup_taken_while_the_bot_writes_holds_whole_transactions(
    database: Database, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    writing = True

    async def write(number: int) -> int:
        written = 0
        while writing:
            async with database.transaction() as session:
                story = Conversation(channel_id=1, opener_id=number, title=f"{number}", language="en")
                session.add(story)
                await session.flush()
                await asyncio.sleep(0)
                session.add_all(
                    Message(conversation_id=story.id, role="user", content="x" * 500) for _ in range(3)
                )
            written += 1
        return written

    tasks = [asyncio.create_task(write(number)) for number in range(3)]
    await asyncio.sleep(0.3)
    for number in range(3):
        await back_up(database_url, tmp_path / f"backup{number}")
    async with database.reading() as session:
        before = await session.scalar(select(func.count()).select_from(Conversation))
    await asyncio.sleep(0.2)
    writing = False
    written = sum(await asyncio.gather(*tasks))
    assert written > (before or 0) > 0, "it went on while and after the backup was made"
    await restore(elsewhere, tmp_path / "backup2")
    async with open_database(elsewhere) as brought, brought.transaction() as session:
        found = await session.scalar(select(func.count()).select_from(Conversation))
        messages = await session.scalar(select(func.count()).select_from(Message))
    assert found
    assert messages == 3 * found, "no half of a transaction is in it"


async def test_a_database_in_use_is_replaced_with_force_alone_and_kept(
    database: Database, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    await begin(database, text="old", title="old")
    backup = tmp_path / "backup.bak"
    await back_up(database_url, backup)
    await begin(database, text="new", title="new")
    with pytest.raises(BackupFailed, match=r"not empty.*--force"):
        await restore(database_url, backup)
    assert await stories(database_url) == ["old", "new"]
    brought = await restore(database_url, backup, force=True)
    assert await stories(database_url) == ["old"]
    assert brought.kept is not None
    await restore(elsewhere, brought.kept)
    assert await stories(elsewhere) == ["old", "new"], "what was replaced was kept first"


async def test_nothing_is_restored_under_a_bot_that_runs(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    if not database_url.startswith("sqlite") and shutil.which("pg_dump") is None:
        pytest.skip("needs PostgreSQL's client programs")
    of = settings(database_url, tmp_path / "deletions.jsonl")
    await begin(database, text="old", title="old")
    await run_backup(of, tmp_path / "backup", force=False)
    await begin(database, text="new", title="new")
    async with serving(database_url):
        async with serving(database_url):  # a second bot, of another shard
            pass
        for force in (False, True):
            with pytest.raises(BackupFailed, match="A bot runs on the database"):
                await run_restore(of, tmp_path / "backup", force=force)
        assert list(tmp_path.glob("*before-restore*")) == []
        assert await stories(database_url) == ["old", "new"]
    await run_restore(of, tmp_path / "backup", force=True)
    assert await stories(database_url) == ["old"]
    async with alone(database_url):
        with pytest.raises(BeingRestored):
            async with serving(database_url):
                pass


@on_postgres
async def test_a_bot_waits_for_a_server_that_is_just_starting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncpg

    connect = asyncpg.connect
    refusals: list[Exception] = [ConnectionRefusedError(), asyncpg.CannotConnectNowError("starting up")]

    async def starting(*arguments: object, **options: object) -> object:
        if refusals:
            raise refusals.pop()
        return await connect(*arguments, **options)

    monkeypatch.setattr(asyncpg, "connect", starting)
    async with serving(database_url):
        assert refusals == []
        with pytest.raises(BotServes):
            async with alone(database_url):
                pass
    async with alone(database_url):
        pass
    refusals.append(RuntimeError("something else"))
    async with asyncio.timeout(30):
        with pytest.raises(RuntimeError, match="something else"):
            async with serving(database_url):
                pass


async def test_deletions_since_the_backup_are_carried_out_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    if not database_url.startswith("sqlite") and shutil.which("pg_dump") is None:
        pytest.skip("needs PostgreSQL's client programs")
    of = settings(database_url, tmp_path / "deletions.jsonl")
    await begin(database, member=1, text="mine", title="mine")
    await begin(database, member=2, text="theirs", title="theirs")
    told = await run_backup(of, tmp_path / "backup", force=False)
    assert "2 stories with 4 messages" in told
    assert "deletions.jsonl" in told
    await DeletionLog(log_path(of)).promise(1, now() + timedelta(seconds=1), posts=False)
    told = await run_restore(of, tmp_path / "backup", force=True)
    assert "Carried out again 1 deletions" in told
    assert await stories(database_url) == ["theirs"]
    async with open_database(database_url) as brought, brought.transaction() as session:
        assert list(await session.scalars(select(Member.id))) == [2]


async def test_a_consent_taken_back_since_the_backup_is_not_given_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    if not database_url.startswith("sqlite") and shutil.which("pg_dump") is None:
        pytest.skip("needs PostgreSQL's client programs")
    of = settings(database_url, tmp_path / "deletions.jsonl")

    async def stop(_: int) -> None:
        raise AssertionError

    privacy = PrivacyService(database, DeletionLog(log_path(of)), stop=stop)
    for member in (1, 2, 3):
        await privacy.set_consent(member, given=True)
    async with database.transaction() as session:
        session.add(TrainingUpload(id=1, file_id="f", kind="chats", rows=1, counts={}, actor_id=9))
        await session.flush()
        session.add(TrainingContribution(upload_id=1, member_id=1, alias="ada", row_ids=["r"]))
    await run_backup(of, tmp_path / "backup", force=False)
    for member in (1, 2):
        await privacy.set_consent(member, given=False)
    await privacy.set_consent(2, given=True)
    told = await run_restore(of, tmp_path / "backup", force=True)
    assert "Took back again 2 consents" in told
    assert "deletions" not in told
    assert [await privacy.consent(member) for member in (1, 2, 3)] == [False, False, True]
    async with database.reading() as session:
        assert (await session.scalars(select(DueForgetting.alias))).all() == ["ada"]
        assert (await session.scalars(select(TrainingContribution))).all() == []
    await privacy.set_consent(2, given=True)
    assert await keep_withdrawals(database, DeletionLog(log_path(of))) == 0, "once"
    assert await privacy.consent(2)


async def test_a_file_that_is_there_is_not_written_over(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    if not database_url.startswith("sqlite") and shutil.which("pg_dump") is None:
        pytest.skip("needs PostgreSQL's client programs")
    backup = tmp_path / "backup"
    backup.write_text("something else")
    with pytest.raises(BackupFailed, match="--force"):
        await back_up(database_url, backup)
    assert backup.read_text() == "something else"
    await back_up(database_url, backup, force=True)
    assert list(tmp_path.glob(".*.part")) == []
    with pytest.raises(BackupFailed, match="There is no folder"):
        await back_up(database_url, tmp_path / "missing" / "backup")


@on_sqlite
async def test_a_damaged_or_foreign_file_is_refused_and_changes_nothing(
    database: Database, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    await begin(database, text="x" * 50_000, title="a heron")
    backup = tmp_path / "backup"
    await back_up(database_url, backup)
    whole = backup.read_bytes()
    torn, poem, newer = tmp_path / "torn", tmp_path / "poem", tmp_path / "newer"
    torn.write_bytes(whole[: len(whole) // 2])
    poem.write_text("no backup at all")
    newer.write_bytes(whole)
    with sqlite3.connect(newer) as changed:
        changed.execute("UPDATE alembic_version SET version_num = '9999'")
    for path, words in ((torn, "SQLite says|damaged"), (poem, "no backup"), (newer, "does not know")):
        with pytest.raises(BackupFailed, match=words):
            await restore(elsewhere, path)
        with pytest.raises(BackupFailed, match=words):
            await restore(database_url, path, force=True)
    assert not Path(elsewhere.partition("///")[2]).exists()
    assert await stories(database_url) == ["a heron"]
    with pytest.raises(BackupFailed, match="backup of SQLite"):
        await restore("postgresql+asyncpg://u@127.0.0.1/x", backup)


@on_sqlite
async def test_a_bot_that_has_the_file_open_sees_the_restored_one(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await begin(database, text="old", title="old")
    await back_up(database_url, tmp_path / "backup")
    await begin(database, text="new", title="new")
    await restore(database_url, tmp_path / "backup", force=True)
    async with database.transaction() as session:
        assert list(await session.scalars(select(Conversation.title))) == ["old"]
    await begin(database, text="next", title="next")
    assert await stories(database_url) == ["old", "next"]


@on_postgres
async def test_without_the_client_programs_it_says_what_to_install(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="pg_dump is not installed"):
        await back_up(database_url, tmp_path / "backup")


@on_sqlite
async def test_the_command_line_backs_up_and_restores(database: Database, tmp_path: Path) -> None:
    await begin(database, text="a heron", title="a heron")

    def bot(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", "db", *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    made = bot("backup", "today.backup")
    assert (made.returncode, made.stderr) == (0, "")
    assert "1 stories with 2 messages" in made.stdout
    refused = bot("restore", "today.backup")
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Restored from today.backup" in bot("restore", "today.backup", "--force").stdout
    missing = bot("restore", "nothing.backup", "--force")
    assert (missing.returncode, missing.stderr) == (1, "There is no file nothing.backup.\n")

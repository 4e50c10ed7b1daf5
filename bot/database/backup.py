"""Backups of the database, made while the bot runs, and their way back. SQLite by its own backup API, PostgreSQL by
`pg_dump` and `psql`. A backup is written beside its place, read back whole, and only then put there; a restore happens
whole or not at all."""

# ruff: noqa: ASYNC240 -- a command of its own, in whose loop nobody else waits

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql import text

from bot.database.connection import BUSY_TIMEOUT_MS
from bot.database.presence import BotServes, alone
from bot.database.schema import alembic_config
from bot.database.tables import Base
from bot.errors import BotError

_SQLITE_HEAD, _POSTGRES_HEAD = b"SQLite format 3\x00", b"PGDMP"
_VERSION_TABLE = "alembic_version"
_COUNTED = ("conversation", "message")


class BackupFailed(BotError):
    """The backup could not be made or brought back; the message says why, and nothing was changed."""


@dataclass(frozen=True)
class Backup:
    """What a backup has in it. `kept` is where the database that a restore replaced was put."""

    path: Path
    size: int
    revision: str
    stories: int
    messages: int
    kept: Path | None = None


async def back_up(url: str, path: Path, *, force: bool = False) -> Backup:
    """Write the database at `url` into a file, and read it back.

    Raises:
        BackupFailed: there is none; an earlier file of this name is as it was.
    """
    if path.exists() and not force:
        raise BackupFailed(f"{path} is there already. Choose another name, or add --force to replace it.")
    if not path.parent.is_dir():
        raise BackupFailed(f"There is no folder {path.parent}. Make it first.")
    parsed = make_url(url)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if parsed.get_backend_name() == "sqlite":
            made = await asyncio.to_thread(_back_up_sqlite, _sqlite_file(parsed), draft)
        else:
            made = await _back_up_postgres(parsed, draft)
        await asyncio.to_thread(_settle, draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size, made.revision, made.stories, made.messages)


async def restore(url: str, path: Path, *, force: bool = False) -> Backup:
    """Bring a backup back into the database at `url`, from which no bot serves. One that is there is replaced with
    `force` alone, and kept in a backup of its own. Migrating, and carrying out the deletions since, is the caller's.

    Raises:
        BackupFailed: nothing was changed.
    """
    found = await _examine(path, make_url(url))
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(alone(url))
        except BotServes:
            raise BackupFailed(
                "A bot runs on the database of DATABASE_URL. Stop it first, all of them where there are several: what "
                "they write meanwhile would be mixed with the backup. Nothing was changed."
            ) from None
        except OSError as error:
            raise BackupFailed(f"PostgreSQL cannot be reached: {error}") from error
        return await _restore(url, path, found, force=force)


async def _restore(url: str, path: Path, found: _Content, *, force: bool) -> Backup:
    parsed = make_url(url)
    there = await _occupied(parsed)
    if there and not force:
        raise BackupFailed(
            "The database of DATABASE_URL is not empty. Add --force to replace what is in it; what is there now is "
            "kept in a backup first."
        )
    kept = None
    if there:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        kept = path.with_name(f"{path.stem}-before-restore-{stamp}{path.suffix}")
        await back_up(url, kept)
    if parsed.get_backend_name() == "sqlite":
        await asyncio.to_thread(_restore_sqlite, path, _sqlite_file(parsed, missing=True))
    else:
        await _restore_postgres(parsed, path)
    return Backup(path, path.stat().st_size, found.revision, found.stories, found.messages, kept)


@dataclass(frozen=True)
class _Content:
    revision: str
    stories: int = 0
    messages: int = 0


def _settle(draft: Path, path: Path) -> None:
    """Put a finished file in its place, for good."""
    draft.chmod(0o600)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def _examine(path: Path, url: URL) -> _Content:
    """See that a file is a sound backup for this kind of database."""
    if not path.is_file():
        raise BackupFailed(f"There is no file {path}.")
    with path.open("rb") as file:
        head = file.read(16)
    sqlite = head.startswith(_SQLITE_HEAD)
    if not sqlite and not head.startswith(_POSTGRES_HEAD):
        raise BackupFailed(f"{path} is no backup of the bot's database.")
    if sqlite != (url.get_backend_name() == "sqlite"):
        ours, theirs = ("SQLite", "PostgreSQL") if sqlite else ("PostgreSQL", "SQLite")
        raise BackupFailed(f"{path} is a backup of {ours}, and DATABASE_URL names {theirs}.")
    if not sqlite:
        await _read_through(path)
        return _Content("")
    with (
        _words_of_sqlite(),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database,
    ):
        return _verify_sqlite(database)


# --- SQLite


def _sqlite_file(url: URL, *, missing: bool = False) -> Path:
    if not url.database or url.database == ":memory:":
        raise BackupFailed("The database of DATABASE_URL is in memory: there is nothing that would stay.")
    path = Path(url.database)
    if not missing and not path.exists():
        raise BackupFailed(f"There is no database {path} yet.")
    return path


def _back_up_sqlite(source: Path, draft: Path) -> _Content:
    with _words_of_sqlite():
        with (
            closing(_open_sqlite(source)) as live,
            closing(sqlite3.connect(draft, isolation_level=None)) as copy,
        ):
            # In one step: in WAL mode that is one reader's look, which keeps nobody from writing. In several, every
            # write in between would begin it anew.
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        with closing(sqlite3.connect(f"{draft.resolve().as_uri()}?mode=ro", uri=True)) as copy:
            return _verify_sqlite(copy)


def _restore_sqlite(path: Path, target: Path) -> None:
    """Over the pages of the file that is there, in one transaction: whoever has it open sees the one or the other."""
    with (
        _words_of_sqlite(),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy,
        closing(_open_sqlite(target)) as live,
    ):
        copy.backup(live)
        live.execute("PRAGMA journal_mode = WAL")
        _verify_sqlite(live)


def _open_sqlite(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return database


def _verify_sqlite(database: sqlite3.Connection) -> _Content:
    """Read all of it: pages, indexes, references; and what is in it."""
    problems = [row[0] for row in database.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    problems += [
        f"a row of {row[0]} refers to nothing" for row in database.execute("PRAGMA foreign_key_check")
    ]
    if problems:
        raise BackupFailed(f"The backup is damaged: {'; '.join(problems[:5])}.")
    (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
    _check_revision(revision)
    counts = [database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED]  # noqa: S608
    return _Content(revision, *counts)


@contextmanager
def _words_of_sqlite() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackupFailed(
            f"SQLite says: {error}. Is it the bot's database, and is there room on the disk?"
        ) from error


def _check_revision(revision: str) -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise BackupFailed(
            f"The backup has tables of revision {revision or 'none'}, which this version does not know. Restore it "
            "with the version that made it, or a newer one."
        )


# --- PostgreSQL


async def _back_up_postgres(url: URL, draft: Path) -> _Content:
    revision = await _revision_of(url)
    if revision is None:
        raise BackupFailed("The database of DATABASE_URL has no tables of the bot's yet.")
    dump = ["--format=custom", "--no-owner", "--no-privileges", f"--file={draft}"]
    await _run("pg_dump", dump, url)
    listed = (await _read_through(draft)).decode(errors="replace")
    missing = [name for name in Base.metadata.tables if f" TABLE DATA public {name} " not in f"{listed} "]
    if missing and revision == _head():
        raise BackupFailed(f"The backup lacks {', '.join(missing)}.")
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            counts = [
                int(await connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0)  # noqa: S608
                for name in _COUNTED
            ]
    finally:
        await engine.dispose()
    return _Content(revision, *counts)


async def _read_through(path: Path) -> bytes:
    """Read a dump to its end, and return its table of contents."""
    await _run("pg_restore", [f"--file={os.devnull}", str(path)], None)
    return await _run("pg_restore", ["--list", str(path)], None)


async def _restore_postgres(url: URL, path: Path) -> None:
    """One transaction: our tables go, those of the dump come."""
    with TemporaryDirectory(prefix="fanfabler-restore-") as folder:
        drop, script = Path(folder, "drop.sql"), Path(folder, "restore.sql")
        names = ", ".join(f'public."{name}"' for name in [*Base.metadata.tables, _VERSION_TABLE])
        drop.write_text(f"DROP TABLE IF EXISTS {names} CASCADE;\n")
        await _run("pg_restore", ["--no-owner", "--no-privileges", f"--file={script}", str(path)], None)
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        await _run("psql", [*options, f"--file={drop}", f"--file={script}"], url)


async def _run(program: str, arguments: Sequence[str], url: URL | None) -> bytes:
    """Run one of PostgreSQL's programs. The address goes by the environment, where `ps` does not show it."""
    found = shutil.which(program)
    if found is None:
        raise BackupFailed(
            f"{program} is not installed. Install PostgreSQL's client programs (Debian: postgresql-client), or use the "
            "means of whoever runs your server."
        )
    process = await asyncio.create_subprocess_exec(
        found,
        *arguments,
        env={**os.environ, **(_address(url) if url is not None else {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await process.communicate()
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise BackupFailed(f"{program} says: {' '.join(lines[-3:]) or 'nothing'}")
    return told


def _address(url: URL) -> dict[str, str]:
    parts = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("ssl"),
    }
    return {name: str(value) for name, value in parts.items() if value is not None}


# --- What is there


async def _occupied(url: URL) -> bool:
    """Whether the database has tables of ours in it, or, with SQLite, anything at all."""
    if url.get_backend_name() == "sqlite":
        path = _sqlite_file(url, missing=True)
        if not path.parent.is_dir():
            raise BackupFailed(f"There is no folder {path.parent}. Make it first.")
        return path.exists() and path.stat().st_size > 0
    return await _revision_of(url) is not None


async def _revision_of(url: URL) -> str | None:
    """The revision of a PostgreSQL database, None where it has no tables of ours."""
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            if await connection.scalar(text(f"SELECT to_regclass('public.{_VERSION_TABLE}')")) is None:
                return None
            found = await connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608
            return str(found) if found else None
    except OSError as error:
        raise BackupFailed(f"PostgreSQL cannot be reached: {error}") from error
    finally:
        await engine.dispose()


def _head() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()

"""Bringing a database to the schema of this version, with Alembic. Applied at every start; safe to repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bot.database.connection import Database
from bot.database.patience import persist

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# Two bot processes that start together must not migrate at once; any constant does.
_LOCK_KEY = 0x46616E46
_ALL_SECONDS = 300.0
LOCK_SECONDS = 3.0
"""How long a migration waits for a table of PostgreSQL's, and has others wait behind it."""

T = TypeVar("T")


def alembic_config(connection: Connection | None = None, scripts: Path = MIGRATIONS) -> Config:
    """Alembic's configuration, optionally bound to an open connection."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """The newest revision this version knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "no migrations are packaged"  # noqa: S101
    return head


async def upgrade(
    database: Database,
    revision: str = "head",
    *,
    scripts: Path = MIGRATIONS,
    lock_seconds: float = LOCK_SECONDS,
) -> None:
    """Migrate up to `revision`, one process at a time, while others may be using the database: each revision is a
    transaction, which waits for its locks for `lock_seconds` at most, and is tried again where it did not get them."""

    def next_step(connection: Connection) -> bool:
        config = alembic_config(connection, scripts)
        current = MigrationContext.configure(connection).get_current_revision()
        missing = [
            script.revision
            for script in ScriptDirectory.from_config(config).iterate_revisions(revision, current or "base")
        ]
        if missing:
            command.upgrade(config, missing[-1])
        return len(missing) > 1

    async with asyncio.timeout(_ALL_SECONDS):
        while await _migrate(database, next_step, lock_seconds):
            pass


async def downgrade(
    database: Database,
    revision: str,
    *,
    scripts: Path = MIGRATIONS,
    lock_seconds: float = LOCK_SECONDS,
) -> None:
    """Migrate down to `revision` (`base` removes everything)."""

    def down(connection: Connection) -> None:
        command.downgrade(alembic_config(connection, scripts), revision)

    async with asyncio.timeout(_ALL_SECONDS):
        await _migrate(database, down, lock_seconds)


async def _migrate(database: Database, step: Callable[[Connection], T], lock_seconds: float) -> T:
    def locked(connection: Connection) -> T:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            # Whoever waits for a table's lock holds up all that come after.
            connection.execute(text(f"SET LOCAL lock_timeout = {int(lock_seconds * 1000)}"))
        return step(connection)

    async def once() -> T:
        async with database.engine.begin() as connection:
            return await connection.run_sync(locked)

    return await persist(once, _ALL_SECONDS, _waits_for_a_lock)


def _waits_for_a_lock(error: BaseException) -> bool:
    """Whether others held what was to be changed. 55P03: a lock was not to be had in time; 40P01: a deadlock."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state in ("55P03", "40P01") or "database is locked" in str(error)

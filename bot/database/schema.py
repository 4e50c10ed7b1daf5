"""Bringing a database to the schema of this version, with Alembic. Applied at every start; safe to repeat."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bot.database.connection import Database

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# Two bot processes that start together must not migrate at once; any constant does.
_LOCK_KEY = 0x46616E46


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, optionally bound to an open connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """The newest revision this version knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "no migrations are packaged"  # noqa: S101
    return head


async def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate up to `revision`, one process at a time."""

    def run(connection: Connection) -> None:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        command.upgrade(alembic_config(connection), revision)

    async with asyncio.timeout(300), database.engine.begin() as connection:
        await connection.run_sync(run)


async def downgrade(database: Database, revision: str) -> None:
    """Migrate down to `revision` (`base` removes everything)."""
    async with database.engine.begin() as connection:
        await connection.run_sync(lambda c: command.downgrade(alembic_config(c), revision))

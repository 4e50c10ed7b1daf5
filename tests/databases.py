"""Real databases for tests, migrated by the real migrations: a SQLite file each, and one PostgreSQL database a
session, emptied before each test.

With TEST_DATABASE=postgresql, as `make test-postgres` sets it, all tests that need a database run on PostgreSQL, also
those that otherwise are content with SQLite; and no others.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql import text

from bot.database.connection import open_database
from bot.database.schema import upgrade
from bot.database.tables import Base

LOCAL_SERVER = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"


def postgres_alone() -> bool:
    """Whether every database is to be PostgreSQL's."""
    return os.environ.get("TEST_DATABASE") == "postgresql"


def need_postgres(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests that can run on PostgreSQL, each once."""
    on_both = {
        (item.parent, getattr(item, "originalname", None))
        for item in items
        if _database_of(item) == "postgresql"
    }
    return [item for item in items if _suits(item, on_both)]


def _suits(item: pytest.Item, on_both: set[tuple[object, object]]) -> bool:
    names = getattr(item, "fixturenames", ())
    if item.get_closest_marker("sqlite") is not None or not {"database_url", "stage"} & set(names):
        return False
    twice = (item.parent, getattr(item, "originalname", None)) in on_both
    return not (twice and _database_of(item) == "sqlite")


def _database_of(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("database_url") if callspec is not None else None


def postgres_server() -> URL:
    """The server that tests may make databases on."""
    return make_url(os.environ.get("TEST_POSTGRES_URL", LOCAL_SERVER))


async def postgres_reason() -> str | None:
    """Why there is no PostgreSQL to test on, or None where there is."""
    try:
        async with _admin() as run:
            await run("SELECT 1")
    except Exception as error:
        return f"no PostgreSQL at {postgres_server().render_as_string()}: {type(error).__name__}"
    return None


@asynccontextmanager
async def _admin() -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    engine = create_async_engine(postgres_server(), isolation_level="AUTOCOMMIT", connect_args={"timeout": 3})
    try:
        async with engine.connect() as connection:

            async def run(statement: str) -> None:
                await connection.execute(text(statement))

            yield run
    finally:
        await engine.dispose()


async def create_postgres() -> str:
    """Make a database; returns its name."""
    name = f"fanfabler_test_{secrets.token_hex(6)}"
    async with _admin() as run:
        await run(f'CREATE DATABASE "{name}"')
    return name


async def empty(url: str) -> None:
    """Remove every row, and what a test that failed half-way still holds open. Much faster than a new database."""
    tables = ", ".join(f'"{name}"' for name in Base.metadata.tables)
    async with open_database(url) as database, database.engine.begin() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        await connection.execute(
            text(others + "WHERE datname = current_database() AND pid <> pg_backend_pid()")
        )
        await connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))


async def drop_postgres(name: str) -> None:
    """Drop a database, whoever is still connected."""
    async with _admin() as run:
        await run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def postgres_url(name: str) -> str:
    """The address of a database on the server."""
    return postgres_server().set(database=name).render_as_string(hide_password=False)


@asynccontextmanager
async def migrated_in(folder: Path) -> AsyncIterator[str]:
    """The address of a database of one's own: in the folder, or on PostgreSQL where every database is there."""
    if not postgres_alone():
        await migrate(sqlite_url(folder))
        yield sqlite_url(folder)
        return
    name = await create_postgres()
    try:
        await migrate(postgres_url(name))
        yield postgres_url(name)
    finally:
        await drop_postgres(name)


def sqlite_url(folder: Path) -> str:
    """The address of a SQLite file in a folder."""
    return f"sqlite+aiosqlite:///{folder / 'fanfabler.db'}"


_MIGRATING = asyncio.Lock()
"""Alembic keeps what it works on for the whole process, so databases take turns."""


async def migrate(url: str) -> None:
    """Bring a database to this version."""
    async with _MIGRATING, open_database(url) as database:
        await upgrade(database)

"""The `database` fixture: every test that asks for it runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.database.connection import Database, open_database
from tests.databases import (
    create_postgres,
    drop_postgres,
    empty,
    migrate,
    postgres_alone,
    postgres_reason,
    postgres_url,
    sqlite_url,
)

T = TypeVar("T")


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run in a loop and thread of its own: session fixtures may be asked for from inside a test's loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    folder = tmp_path_factory.mktemp("sqlite")
    apart(migrate(sqlite_url(folder)))
    return folder / "fanfabler.db"


@pytest.fixture(scope="session")
def migrated_postgres() -> Iterator[str]:
    """The address of a migrated PostgreSQL database for the session; skips where there is no server."""
    reason = apart(postgres_reason())
    if reason is not None:
        pytest.skip(reason)
    name = apart(create_postgres())
    apart(migrate(postgres_url(name)))
    yield postgres_url(name)
    apart(drop_postgres(name))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty, migrated database."""
    if request.param == "sqlite" and not postgres_alone():
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "fanfabler.db")
        yield sqlite_url(tmp_path)
    else:
        url = request.getfixturevalue("migrated_postgres")
        await empty(url)
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh, migrated database, open."""
    async with open_database(database_url) as opened:
        yield opened

"""The SQLite driver with one trip a statement, through SQLAlchemy and by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.database.sqlite_driver import OneTripConnection, create_sqlite_engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    created = create_sqlite_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    async with created.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE)"))
    yield created
    await created.dispose()


async def test_rows_counts_and_ids_come_back(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        inserted = await connection.execute(text("INSERT INTO t (a) VALUES ('x')"))
        assert inserted.lastrowid == 1
        await connection.execute(text("INSERT INTO t (a) VALUES (:a)"), [{"a": "y"}, {"a": "z"}])
        updated = await connection.execute(text("UPDATE t SET a = a || '!' WHERE id > 1 RETURNING id"))
        assert updated.scalars().all() == [2, 3]
        changed = await connection.execute(text("UPDATE t SET a = a || '?'"))
        assert changed.rowcount == 3
        rows = await connection.execute(text("SELECT id, a FROM t ORDER BY id"))
        assert [tuple(row) for row in rows] == [(1, "x?"), (2, "y!?"), (3, "z!?")]


async def test_errors_are_those_of_the_driver_and_undo_the_transaction(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO t (a) VALUES ('x')"))
            await connection.execute(text("INSERT INTO t (a) VALUES ('x')"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one() == 0


async def test_a_statement_makes_one_trip_to_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips: list[object] = []
    connection = await OneTripConnection(lambda: sqlite3.connect(tmp_path / "x.db"), iter_chunk_size=64)
    try:
        real = connection._execute

        async def counted(work: object) -> object:
            trips.append(work)
            return await real(work)

        monkeypatch.setattr(connection, "_execute", counted)
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT 1 UNION SELECT 2")
            assert await cursor.fetchone() == (1,)
            assert await cursor.fetchall() == [(2,)]
        assert len(trips) == 1
    finally:
        await connection.close()


async def test_a_transaction_begins_with_its_first_statement_and_nothing_is_rolled_back_for_nothing(
    tmp_path: Path,
) -> None:
    said: list[str] = []

    def connect() -> sqlite3.Connection:
        opened = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        opened.set_trace_callback(said.append)
        return opened

    connection = OneTripConnection(connect, iter_chunk_size=64)
    await connection
    try:
        connection.begin("BEGIN IMMEDIATE")
        await connection.commit()
        connection.begin("BEGIN IMMEDIATE")
        async with connection.cursor() as cursor:
            await cursor.execute("CREATE TABLE t (a)")
            await cursor.execute("INSERT INTO t VALUES (1)")
        await connection.rollback()
        await connection.rollback()
        connection.begin("BEGIN IMMEDIATE")
        async with connection.cursor() as cursor:
            await cursor.execute("CREATE TABLE t (a)")
        await connection.commit()
    finally:
        await connection.close()
    assert said == [
        "BEGIN IMMEDIATE", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "ROLLBACK",
        "BEGIN IMMEDIATE", "CREATE TABLE t (a)", "COMMIT",
    ]  # fmt: skip


async def test_the_event_loop_goes_on_while_a_statement_runs(engine: AsyncEngine) -> None:
    slow = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n"
    )
    ticks = 0
    async with engine.connect() as connection:
        running = asyncio.create_task(connection.execute(slow))
        while not running.done():
            await asyncio.sleep(0.005)
            ticks += 1
        assert (await running).scalar_one() == 3000000
    assert ticks > 5

"""The migrations with data in place, both ways, and while others use the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, select, text
from sqlalchemy.exc import DBAPIError

from bot.database.connection import Database, open_database
from bot.database.schema import alembic_config, downgrade, upgrade
from bot.database.tables import Base, Member
from tests.bot.privacy.seeding import everything, seed

REVISIONS = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][
    ::-1
]

Rows = dict[str, list[dict[str, Any]]]


def rows(connection: Connection) -> Rows:
    """All there is, as the database itself says it."""
    tables = MetaData()
    tables.reflect(connection)
    return {
        name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
        for name, table in tables.tables.items()
        if name != "alembic_version"
    }


async def content(database: Database) -> Rows:
    async with database.engine.connect() as connection:
        return await connection.run_sync(rows)


def what_both_know(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """The tables and columns that are in both."""

    def cut(whole: Rows, by: Rows) -> Rows:
        return {
            name: [
                {column: row[column] for column in row if not by[name] or column in by[name][0]}
                for row in found
            ]
            for name, found in whole.items()
            if name in by
        }

    return cut(one, other), cut(other, one)


async def test_data_outlives_each_revision_in_both_directions(database: Database) -> None:
    await seed(database)
    empty = [name for name, found in (await everything(database)).items() if not found]
    assert empty == []
    for newer, older in zip(REVISIONS[:0:-1], REVISIONS[-2::-1], strict=True):
        whole = await content(database)
        await downgrade(database, older)
        less = await content(database)
        kept, same = what_both_know(whole, less)
        assert kept == same, f"down from {newer}"
        assert kept
        await upgrade(database, newer)
        again = await content(database)
        assert again.keys() == whole.keys()
        kept, same = what_both_know(less, again)
        assert kept == same, f"up to {newer}"
        await downgrade(database, older)
    await upgrade(database)
    assert (await content(database)).keys() == Base.metadata.tables.keys()


@pytest.mark.parametrize("older", REVISIONS[:-1])
async def test_who_uses_an_older_schema_goes_on_while_it_is_migrated(
    database: Database, database_url: str, older: str
) -> None:
    """What a process of the older version writes and reads all the while, in its own columns, arrives."""
    await seed(database)
    await downgrade(database, older)
    member = await _reflected(database, "member")
    written: list[int] = []
    waits: list[float] = []

    async def use(other: Database) -> None:
        while True:
            began = time.monotonic()
            number = 1_000 + len(written)
            async with other.transaction() as session:
                values = {
                    "id": number,
                    "created_at": (await session.scalars(select(member.c.created_at))).first(),
                }
                await session.execute(insert(member).values(values))
                assert len((await session.execute(select(member))).all()) > len(written)
            written.append(number)
            waits.append(time.monotonic() - began)

    async with open_database(database_url) as other:
        using = asyncio.create_task(use(other))
        await _until(lambda: len(written) >= 5 or using.done())
        before = len(written)
        await upgrade(database)
        at_the_end = len(written)
        await _until(lambda: len(written) >= at_the_end + 5 or using.done())
        using.cancel()
        (ended,) = await asyncio.gather(using, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended
    assert before <= at_the_end < len(written)
    async with database.reading() as session:
        found = set(await session.scalars(select(Member.id)))
    assert set(written) <= found
    assert max(waits) < 15


async def _reflected(database: Database, name: str) -> Table:
    def reflect(connection: Connection) -> Table:
        return Table(name, MetaData(), autoload_with=connection)

    async with database.engine.connect() as connection:
        return await connection.run_sync(reflect)


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_migration_holds_nobody_up_for_long_behind_somebody_else(
    database: Database, database_url: str
) -> None:
    """A table that is in use for long is waited for again and again, and let go in between."""
    await downgrade(database, "0003")
    waits: list[float] = []
    async with open_database(database_url) as other, other.engine.connect() as reading:
        await reading.execute(text("SELECT 1 FROM job"))
        migrating = asyncio.create_task(upgrade(database, lock_seconds=0.3))
        for _ in range(30):
            began = time.monotonic()
            async with other.engine.connect() as another:
                await another.execute(text("SELECT 1 FROM job"))
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.05)
        assert not migrating.done()
        with pytest.raises(DBAPIError):
            async with other.engine.connect() as another:
                await another.execute(text("SELECT first_text_at FROM job"))
        await reading.rollback()
        async with asyncio.timeout(60):
            await migrating
    assert max(waits) < 5, "they queue behind the migration for its own patience at most"
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT first_text_at FROM job"))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)

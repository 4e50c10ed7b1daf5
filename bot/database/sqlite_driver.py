"""aiosqlite with one trip to its thread a statement.

aiosqlite makes one for each of: opening a cursor, executing, fetching, closing; and a transaction begins with one and
ends with a rollback of nothing. Each is two switches between threads, and on a busy machine they, not SQLite, are what
a transaction takes. So here a statement is executed and all of its rows are fetched in one go, and a transaction
begins with its first statement. SQLAlchemy takes the connection through `async_creator`, its documented way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, cast

import aiosqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_Description = tuple[tuple[str, None, None, None, None, None, None], ...]


class _Cursor:
    """The part of aiosqlite's cursor that SQLAlchemy uses. The rows of a statement are there once it is executed."""

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: _Description | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        """Execute a statement and fetch what it returns."""
        return await self._run(lambda cursor: cursor.execute(sql, cast("Sequence[Any]", parameters)))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Execute a statement for each of the parameters."""
        return await self._run(lambda cursor: cursor.executemany(sql, cast("Sequence[Any]", parameters)))

    async def fetchall(self) -> list[Any]:
        """All rows that were not fetched yet."""
        rows, self._rows = self._rows, []
        return rows

    async def fetchone(self) -> Any:
        """The next row, or None."""
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows."""
        count = size or self.arraysize
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def close(self) -> None:
        """Nothing is held open."""
        self._rows = []

    async def _run(self, work: Callable[[sqlite3.Cursor], object]) -> Self:
        def in_thread() -> None:
            cursor = self._connection.opened.cursor()
            try:
                self._connection.begin_where_due(cursor)
                work(cursor)
                self.description = cursor.description
                self._rows = cursor.fetchall() if cursor.description else []
                self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        await self._connection.in_thread(in_thread)
        return self


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors make one trip a statement."""

    _begin: str | None = None

    def __del__(self) -> None:
        """One that was being opened when its task was cancelled belongs to nobody: its thread ends, and that is all."""
        if self._connection is not None:
            self.stop()

    @property
    def opened(self) -> sqlite3.Connection:
        """The connection itself, for use in its thread."""
        return self._conn

    async def in_thread(self, work: Callable[[], None]) -> None:
        """Run something in the connection's thread."""
        await self._execute(work)  # type: ignore[no-untyped-call]

    def begin(self, statement: str) -> None:
        """Begin a transaction with this statement, right before the next one."""
        self._begin = statement

    def begin_where_due(self, cursor: sqlite3.Cursor) -> None:
        """In the connection's thread: begin the transaction that was asked for."""
        statement, self._begin = self._begin, None
        if statement is not None:
            cursor.execute(statement)

    async def commit(self) -> None:
        """Commit, where anything was begun."""
        if self._ends_something():
            await super().commit()

    async def rollback(self) -> None:
        """Roll back, where anything was begun."""
        if self._ends_something():
            await super().rollback()

    def _ends_something(self) -> bool:
        self._begin = None
        return self.opened.in_transaction

    def cursor(self) -> Any:
        """A cursor, without a trip."""
        return _Cursor(self)


def create_sqlite_engine(url: URL | str) -> AsyncEngine:
    """An engine for an address that begins with `sqlite+aiosqlite://`."""
    parsed = make_url(url)
    dialect = parsed.get_dialect()()
    arguments, options = dialect.create_connect_args(parsed)

    def connector() -> sqlite3.Connection:
        opened: sqlite3.Connection = cast("Any", sqlite3.connect)(*arguments, **options)
        return opened

    async def connect() -> OneTripConnection:
        connection = OneTripConnection(connector, iter_chunk_size=64)
        # As SQLAlchemy has it: a thread that is left over keeps no process alive.
        connection._thread.daemon = True
        await connection
        return connection

    return create_async_engine(parsed, async_creator=connect)

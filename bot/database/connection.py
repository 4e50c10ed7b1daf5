"""Opening the database and its transactions. SQLite runs in WAL mode with foreign keys on and every transaction
begun as a writer, so that a reader never finds, half-way, that it may not write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, cast

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bot.database.patience import connecting
from bot.database.sqlite_driver import OneTripConnection, create_sqlite_engine
from bot.database.turns import Turns
from bot.errors import BotError, SettingsError

BUSY_TIMEOUT_MS = 15_000
PATIENCE = 15.0
"""Seconds for which a PostgreSQL that takes no connections is asked again; as long as SQLite's lock is waited for."""


_inside: ContextVar[bool] = ContextVar("inside_a_transaction", default=False)


class NestedTransaction(BotError):
    """A transaction was begun inside another one of the same task: it would wait for itself."""


class Database:
    """A connection pool and the transactions over it. SQLite has one writer, so there the tasks of a process take
    turns (see `bot.database.turns`), instead of all asking the file again and again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        reading = engine.execution_options(sqlite_begin="BEGIN")
        self._reading_sessions = async_sessionmaker(reading, expire_on_commit=False, autoflush=False)
        self._turns = Turns() if engine.dialect.name == "sqlite" else None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: committed at the end, rolled back on any exception.

        Raises:
            NestedTransaction: this task is in one already.
        """
        turn = self._turns.taken() if self._turns is not None else nullcontext()
        async with self._alone(), turn, self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent look at the rows, in which nothing may be written. It waits for nobody's turn.

        Raises:
            NestedTransaction: this task is in one already.
        """
        async with self._alone(), self._reading_sessions() as session, session.begin():
            yield session

    @staticmethod
    @asynccontextmanager
    async def _alone() -> AsyncIterator[None]:
        if _inside.get():
            raise NestedTransaction
        token = _inside.set(True)
        try:
            yield
        finally:
            _inside.reset(token)


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is a reader's; ours is below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE")
        cast("OneTripConnection", connection.connection.driver_connection).begin(statement)


def create_engine(url: str, *, patience: float = PATIENCE) -> AsyncEngine:
    """An engine for `url`; a server that is away is asked again for `patience` seconds.

    Raises:
        SettingsError: the address is not one of SQLite or PostgreSQL, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("DATABASE_URL is not a database address; see .env.example") from None
    if parsed.drivername not in {"sqlite+aiosqlite", "postgresql+asyncpg"}:
        raise SettingsError("DATABASE_URL must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")
    try:
        if parsed.drivername == "sqlite+aiosqlite":
            engine = create_sqlite_engine(parsed)
            _prepare_sqlite(engine)
            return engine
        import asyncpg  # type: ignore[import-untyped]

        patiently = {"async_creator_fn": connecting(asyncpg.connect, patience)}
        return create_async_engine(parsed, pool_pre_ping=True, connect_args=patiently)
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is missing: pip install 'fanfabler[postgres]'") from None


@asynccontextmanager
async def open_database(url: str, *, patience: float = PATIENCE) -> AsyncIterator[Database]:
    """Open the database at `url`; its schema must be there already (`bot.database.schema.upgrade`). `patience`: see
    `create_engine`."""
    engine = create_engine(url, patience=patience)
    try:
        yield Database(engine)
    finally:
        await engine.dispose()

"""Opening the database and its transactions. SQLite runs in WAL mode with foreign keys on and every transaction
begun as a writer, so that a reader never finds, half-way, that it may not write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bot.errors import BotError, SettingsError

BUSY_TIMEOUT_MS = 15_000


_inside: ContextVar[bool] = ContextVar("inside_a_transaction", default=False)


class NestedTransaction(BotError):
    """A transaction was begun inside another one of the same task: it would wait for itself."""


class Database:
    """A connection pool and the transactions over it. SQLite has one writer, so there the tasks of a process take
    turns in the order in which they came, instead of all asking the file again and again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._turn: AbstractAsyncContextManager[object] = (
            asyncio.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        )

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
        if _inside.get():
            raise NestedTransaction
        async with self._turn:
            token = _inside.set(True)
            try:
                async with self._sessions() as session, session.begin():
                    yield session
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
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def create_engine(url: str) -> AsyncEngine:
    """An engine for `url`.

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
        engine = create_async_engine(parsed, pool_pre_ping=parsed.drivername.startswith("postgresql"))
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is missing: pip install 'fanfabler[postgres]'") from None
    if parsed.drivername == "sqlite+aiosqlite":
        _prepare_sqlite(engine)
    return engine


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open the database at `url`; its schema must be there already (`bot.database.schema.upgrade`)."""
    engine = create_engine(url)
    try:
        yield Database(engine)
    finally:
        await engine.dispose()

"""Whether bots serve from a database: each says so as long as it does, and a restore wants to be alone. The system lets
go of it however a process ends.

SQLite: a lock on a file beside the database (`fanfabler.db.serving`), shared by bots, exclusive for a restore.
PostgreSQL: an advisory lock of the database, in the same two ways.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.connection import PATIENCE, create_engine
from bot.errors import BotError

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""Between two looks at whether PostgreSQL still holds the lock; it lets go of it when it is itself started anew."""
_KEY = 0x46616E466162  # «FanFab»
_SHARED, _ALONE = "pg_try_advisory_lock_shared", "pg_try_advisory_lock"


class BeingRestored(BotError):
    """A backup is being brought back into the database just now. Start the bot again once that is done."""


class BotServes(BotError):
    """A bot runs on this database."""


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[None]:
    """Say that a bot serves from the database at `url`, until the block ends.

    Raises:
        BeingRestored: it must not just now.
    """
    file = _file(url)
    if file is not None:
        with _held(file, alone=False) as held:
            if not held:
                raise BeingRestored
            yield
    elif make_url(url).get_backend_name() == "sqlite":
        yield  # in memory: nobody else can come by
    else:
        async with _serving_postgres(url):
            yield


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[None]:
    """Have the database at `url` without a bot, and keep bots from starting, until the block ends.

    Raises:
        BotServes: one does.
    """
    file = _file(url)
    if file is not None:
        with _held(file, alone=True) as held:
            if not held:
                raise BotServes
            yield
    elif make_url(url).get_backend_name() == "sqlite":
        yield
    else:
        async with _connected(url) as connection:
            if not await connection.scalar(text(f"SELECT {_ALONE}({_KEY})")):
                raise BotServes
            yield


def _file(url: str) -> Path | None:
    """The file beside a SQLite database; None where it is none, or in memory."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    path = Path(parsed.database)
    return path.with_name(f"{path.name}.serving")


@contextmanager
def _held(path: Path, *, alone: bool) -> Iterator[bool]:
    """Whether the file is ours, with others or alone, while the block runs."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True  # no database can be there either; whoever opens it says what is wrong
        return
    try:
        yield _take(descriptor, alone=alone)
    finally:
        os.close(descriptor)


def _take(descriptor: int, *, alone: bool) -> bool:
    if sys.platform == "win32":
        return True  # Windows itself keeps a file that is open from being replaced
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks: better no warning than no bot
        log.warning("who uses the database cannot be told here: %s", error)
    return True


@asynccontextmanager
async def _connected(url: str, patience: float = 0.0) -> AsyncIterator[AsyncConnection]:
    """A connection of its own, which holds what is locked on it. `patience`: see `create_engine`."""
    engine = create_engine(url, patience=patience)
    try:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def _serving_postgres(url: str) -> AsyncIterator[None]:
    known: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(_keep(url, known), name="presence")
    try:
        if not await known:
            raise BeingRestored
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(url: str, known: asyncio.Future[bool]) -> None:
    """Hold the lock, and take it again where it was lost; `known` becomes whether it could be had at first."""
    while True:
        try:
            async with _connected(url, PATIENCE) as connection:
                taken = bool(await connection.scalar(text(f"SELECT {_SHARED}({_KEY})")))
                if not known.done():
                    known.set_result(taken)
                while taken:
                    await asyncio.sleep(LOOK_SECONDS)
                    await connection.execute(text("SELECT 1"))
        except Exception as error:  # whatever it is, nobody is to wait for ever for what becomes known
            if not known.done():
                known.set_exception(error)
            log.warning("that a bot uses the database cannot be noted just now: %s", error)
        await asyncio.sleep(LOOK_SECONDS)

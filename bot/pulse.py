"""Signs of life for whoever supervises the process: a file that is fresh while the bot is connected and its database
answers (`PULSE_FILE`, read by `python -m bot health`), and systemd's notifications where it asks for them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bot.database.connection import Database
from bot.discord.client import FanFabler

SECONDS = 10.0
"""Between two beats."""


@asynccontextmanager
async def pulse(client: FanFabler, database: Database, path: Path | None) -> AsyncIterator[None]:
    """Beat until the block ends; then take the file away and say that the process is stopping."""
    beating = asyncio.create_task(_beat(client, database, path), name="pulse")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        notify("STOPPING=1")
        _remove(path)


async def _beat(client: FanFabler, database: Database, path: Path | None) -> None:
    ready = False
    while True:
        trouble = await _trouble(client, database)
        if trouble is None:
            _touch(path)
            if not ready:
                ready = True
                notify("READY=1")
        # The watchdog is for a process that hangs. One that waits for Discord or the database gets no better by
        # being started again.
        notify(f"WATCHDOG=1\nSTATUS={trouble or 'connected'}")
        await asyncio.sleep(SECONDS if ready else 1.0)


def _touch(path: Path | None) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


async def _trouble(client: FanFabler, database: Database) -> str | None:
    """Why the bot does not serve; None where it does."""
    if not client.is_ready() or not client.ws.open:
        return "not connected to Discord"
    try:
        async with asyncio.timeout(SECONDS), database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is one
        return f"the database does not answer ({type(error).__name__})"
    return None


def notify(message: str) -> None:
    """Tell systemd, where it started this process with a socket for that (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in {"/", "@"}:
        return
    # Supervision must never be what ends the bot.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + address[1:] if address[0] == "@" else address)
        sender.send(message.encode())

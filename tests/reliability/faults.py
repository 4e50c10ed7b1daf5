"""Troubles that come and go while answers are being written: of the database, of the worker, of Discord."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from sqlalchemy import text
from sqlalchemy.engine import make_url

from bot.database.connection import open_database
from bot.database.schema import MIGRATIONS, downgrade, head_revision, upgrade
from tests.reliability.kills import Cell
from tests.reliability.verify import problems
from tests.reliability.world import LONG, MIDDLE, World

Trouble = Callable[[World, float], Awaitable[None]]
"""Troubles a world for so many seconds."""


async def _locked(world: World, seconds: float) -> None:
    """Another program holds SQLite's lock, or PostgreSQL's on the queue."""
    if world.cluster is not None:
        assert world.engine is not None
        async with world.engine.begin() as connection:
            await connection.execute(text("LOCK TABLE job, message IN ACCESS EXCLUSIVE MODE"))
            await asyncio.sleep(seconds)
        return
    path = make_url(world.database_url).database

    def hold() -> sqlite3.Connection:
        other = sqlite3.connect(str(path), timeout=30, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        return other

    other = await asyncio.to_thread(hold)
    await asyncio.sleep(seconds)
    other.execute("ROLLBACK")
    other.close()


_NEWER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", {head!r}, None, None


def upgrade():
    op.create_table("newer", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("job", sa.Column("newer", sa.Integer(), nullable=True))
    op.add_column("message", sa.Column("newer", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_message_newer", "message", ["newer"])


def downgrade():
    op.drop_index("ix_message_newer", "message")
    op.drop_column("message", "newer")
    op.drop_column("job", "newer")
    op.drop_table("newer")
"""


async def _migrated(world: World, seconds: float) -> None:
    """A newer version adds a table, columns and an index to what this one uses, and takes them back."""
    scripts = world.folder / "newer"
    if not scripts.exists():
        shutil.copytree(MIGRATIONS, scripts)
        (scripts / "versions" / "9999_newer.py").write_text(
            _NEWER.format(head=head_revision()), encoding="utf-8"
        )
    async with open_database(world.database_url) as database:
        await upgrade(database, scripts=scripts)
        await asyncio.sleep(seconds)
        await downgrade(database, head_revision(), scripts=scripts)


async def _disk_full(world: World, seconds: float) -> None:
    """The bot's files cannot grow: every write beyond what there is fails."""
    assert world.bot is not None
    before = resource.prlimit(world.bot.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(world.bot.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    await asyncio.sleep(seconds)
    with suppress(ProcessLookupError):
        resource.prlimit(world.bot.pid, resource.RLIMIT_FSIZE, before)


def _restarted(mode: str) -> Trouble:
    async def trouble(world: World, _: float) -> None:
        assert world.cluster is not None
        await world.cluster.restart(mode)

    return trouble


def _stopped(mode: str) -> Trouble:
    async def trouble(world: World, seconds: float) -> None:
        assert world.cluster is not None
        await world.cluster.stop(mode)
        await asyncio.sleep(seconds)
        await world.cluster.start()

    return trouble


async def _cut_off(world: World, seconds: float) -> None:
    """Every connection is ended, again and again."""
    assert world.engine is not None
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        async with world.engine.connect() as connection:
            await connection.execute(
                text(others + "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
            )
        await asyncio.sleep(world.random.uniform(0.1, 1.0))


def _mode(mode: str) -> Trouble:
    async def trouble(world: World, seconds: float) -> None:
        world.mode.write_text(mode, encoding="utf-8")
        await asyncio.sleep(seconds)
        world.mode.write_text("well", encoding="utf-8")
        if world.worker is not None and world.worker.returncode is not None:
            await world.start_worker()

    return trouble


async def _hang(world: World, seconds: float) -> None:
    """A worker that hangs is found by whoever looks after it, and started again."""
    world.mode.write_text("hang", encoding="utf-8")
    await asyncio.sleep(seconds)
    await world.kill("worker")
    await world.start_worker()


def _discord(status: int) -> Trouble:
    async def trouble(world: World, seconds: float) -> None:
        for route in ("POST /channels/*/messages", "PATCH /channels/*/messages/*"):
            world.discord.faults.next(route, status=status, times=world.random.randint(1, 8))
        await asyncio.sleep(seconds)
        world.discord.faults.clear()

    return trouble


def _dropped(*, resume: bool) -> Trouble:
    async def trouble(world: World, seconds: float) -> None:
        world.discord.gateway.drop(resume=resume)
        await asyncio.sleep(seconds)

    return trouble


def _invalid(*, resumable: bool) -> Trouble:
    async def trouble(world: World, seconds: float) -> None:
        world.discord.gateway.invalid_session(resumable=resumable)
        await asyncio.sleep(seconds)

    return trouble


TROUBLES: dict[str, tuple[Trouble, bool]] = {
    "database locked": (_locked, False),
    "migrated by a newer version": (_migrated, False),
    "disk full": (_disk_full, True),
    "worker hangs": (_hang, False),
    "worker slow": (_mode("slow"), False),
    "worker answers garbage": (_mode("garbage"), True),
    "worker refuses (500)": (_mode("refuse"), True),
    "worker full (503)": (_mode("full"), False),
    "worker out of memory": (_mode("memory"), True),
    "Discord 429": (_discord(429), False),
    "Discord 500": (_discord(500), True),
    "Discord 502": (_discord(502), True),
    "gateway dropped, RESUME": (_dropped(resume=True), False),
    "gateway dropped, new session": (_dropped(resume=False), False),
    "invalid session, resumable": (_invalid(resumable=True), False),
    "invalid session": (_invalid(resumable=False), False),
}
"""Name → what brings it about, and whether an answer may fail of it where people see it."""

OF_POSTGRES: dict[str, tuple[Trouble, bool]] = {
    "PostgreSQL restarted (fast)": (_restarted("fast"), False),
    "PostgreSQL restarted (immediate)": (_restarted("immediate"), False),
    "PostgreSQL stopped for a while (fast)": (_stopped("fast"), False),
    "PostgreSQL stopped for a while (immediate)": (_stopped("immediate"), False),
    "PostgreSQL ends all connections": (_cut_off, False),
}


def troubles(database: str) -> dict[str, tuple[Trouble, bool]]:
    """Those that can come to a world with such a database. PostgreSQL's disk is not the bot's."""
    if database == "postgres":
        return OF_POSTGRES | {name: trouble for name, trouble in TROUBLES.items() if name != "disk full"}
    return TROUBLES


async def trouble_once(world: World, name: str) -> list[str]:
    """Members write, then the trouble comes for a while; what is wrong when it is over."""
    trouble, may_fail = (TROUBLES | OF_POSTGRES)[name]
    async with _writing(world):
        await asyncio.sleep(world.random.uniform(0.0, 1.5))
        await trouble(world, world.random.uniform(0.5, 6.0))
    await world.revive()
    if not await world.settle():
        return [f"nothing came to rest; {line}" for line in await problems(world, may_fail=True)]
    return await problems(world, may_fail=may_fail)


@asynccontextmanager
async def _writing(world: World) -> AsyncIterator[None]:
    """Everybody writes, one of them asking for a long answer."""

    async def write() -> None:
        for place, (member, thread) in enumerate(zip(world.members, world.threads, strict=False)):
            await member.send(thread, world.next_prompt(MIDDLE if place else LONG))
            await asyncio.sleep(world.random.uniform(0.0, 0.5))

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        await writing


def cells(database: str = "sqlite") -> dict[str, Cell]:
    """The troubles, none tried."""
    return {name: Cell(name) for name in troubles(database)}

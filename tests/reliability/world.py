"""Discord, the bot, its worker and its database, as processes that can be killed, and people who write stories."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.database.tables import Job, JobStatus
from bot.database.tables import Message as Turn
from tests.benchmarks.discord.stories import prompt
from tests.databases import migrate, sqlite_url
from tests.discord_server import Channel, DiscordServer, Member, Message
from tests.reliability.ports import free_port
from tests.reliability.postgres import Cluster, open_cluster

ROOT = Path(__file__).parents[2]
DATABASES = ("sqlite", "postgres")
NOWHERE = "http://127.0.0.1:9/{code}/api.php"
SHORT, MIDDLE, LONG = 12, 150, 700
"""Tokens of answers; a long one takes two messages."""
STREAMING = re.compile(r"Story (\d+):")

_START_SECONDS = 180.0
_QUIET_SECONDS = 1.0


@dataclass
class World:
    """Everything, while it runs."""

    discord: DiscordServer
    folder: Path
    database_url: str
    members: list[Member]
    channels: list[Channel]
    random: random.Random
    threads: list[Channel] = field(default_factory=list)
    bot: asyncio.subprocess.Process | None = None
    worker: asyncio.subprocess.Process | None = None
    port: int = 0
    stories: int = 0
    engine: AsyncEngine | None = None
    settings: dict[str, str] = field(default_factory=dict)
    """Of the bot, beside the usual ones."""
    rate: float = 300.0
    """Tokens a second of each answer."""
    slots: int = 16
    cluster: Cluster | None = None
    """The PostgreSQL that holds the database; None for SQLite."""
    failed: set[int] = field(default_factory=set)
    """Answers that failed of a trouble that they may fail of, and were found to say so."""

    @property
    def mode(self) -> Path:
        """The file that says how the worker behaves."""
        return self.folder / "mode"

    def next_prompt(self, tokens: int) -> str:
        """What nobody has asked for yet."""
        self.stories += 1
        return prompt(self.stories, tokens)

    async def start_worker(self) -> None:
        """As a new process, on the same port as before, behaving well."""
        self.mode.write_text("well", encoding="utf-8")
        self.worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.reliability.worker"),
            *("--port", str(self.port), "--mode", str(self.mode)),
            *("--rate", str(self.rate), "--slots", str(self.slots)),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
        )
        async with aiohttp.ClientSession() as http, asyncio.timeout(_START_SECONDS):
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{self.port}/health") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def start_bot(self) -> None:
        """`python -m bot run`, until it is connected."""
        known = self.discord.gateway.identifies
        environment = {
            "DISCORD_TOKEN": self.discord.bot_token,
            "DISCORD_API_BASE": self.discord.api_base,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "DATABASE_URL": self.database_url,
            "WORKER_URL": f"http://127.0.0.1:{self.port}/v1",
            "WIKIPEDIA_URL": NOWHERE,
            "DELETION_LOG": str(self.folder / "deletions.jsonl"),
            "THREAD_TITLES": "false",
            "GREET_SERVERS": "false",
            "MEMBER_CONCURRENCY": "3",
            "LEASE_SECONDS": "4",
            "MAX_ANSWER_TOKENS": "2000",
            "LOG_LEVEL": "ERROR",
            **self.settings,
        }
        with (self.folder / "bot.log").open("ab") as log:
            self.bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"),
                env={"PATH": os.environ["PATH"], **environment},
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(_START_SECONDS):
            while self.discord.gateway.identifies == known:
                if self.bot.returncode is not None:
                    raise RuntimeError(
                        f"the bot ended with {self.bot.returncode}; see {self.folder / 'bot.log'}"
                    )
                await asyncio.sleep(0.05)

    async def kill(self, *victims: str) -> None:
        """SIGKILL, at the same time: `bot`, `worker`."""
        processes = [getattr(self, name) for name in victims]
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
        for process in processes:
            await process.wait()

    async def revive(self) -> None:
        """Start again what does not run."""
        if self.worker is None or self.worker.returncode is not None:
            await self.start_worker()
        if self.bot is None or self.bot.returncode is not None:
            await self.start_bot()

    async def open_story(self, member: Member, channel: Channel, tokens: int = SHORT) -> Channel:
        """`/story start` by a member; the thread, once it is there."""
        known = set(channel.threads)
        await member.slash(channel, "story start", prompt=self.next_prompt(tokens))
        async with asyncio.timeout(_START_SECONDS):
            while not (new := set(channel.threads) - known):
                await asyncio.sleep(0.05)
        self.threads += new
        return new.pop()

    def own(self, thread: Channel) -> list[Message]:
        """The bot's messages in a thread that are there now."""
        return [message for message in thread.written if message.author == self.discord.bot]

    async def settle(self, seconds: float = 90.0) -> bool:
        """Wait until nothing is waiting or being written and Discord is asked for nothing. False: it never came to
        that."""
        until = time.monotonic() + seconds
        asked, since = -1, time.monotonic()
        while time.monotonic() < until:
            # A bot that has just connected reads up on its threads only after some seconds.
            if (
                (count := len(self.discord.requests)) != asked
                or await self.open_jobs()
                or await self.untaken()
            ):
                asked, since = count, time.monotonic()
            elif time.monotonic() - since > _QUIET_SECONDS:
                return True
            await asyncio.sleep(0.2)
        return False

    async def open_jobs(self) -> int:
        """Jobs that wait or are being written."""
        assert self.engine is not None
        query = select(Job.id).where(Job.status.in_([JobStatus.QUEUED, JobStatus.RUNNING]))
        try:
            async with self.engine.connect() as connection:
                return len((await connection.execute(query)).all())
        except Exception:  # the trouble may be the database's
            return 1

    async def untaken(self) -> list[Message]:
        """What members wrote in the threads and no row knows."""
        assert self.engine is not None
        query = select(Turn.discord_message_id).where(Turn.discord_message_id.is_not(None))
        try:
            async with self.engine.connect() as connection:
                known = set((await connection.scalars(query)).all())
        except Exception:  # the trouble may be the database's
            return []
        said = (message for thread in self.threads for message in thread.written)
        return [m for m in said if m.id not in known and m.author != self.discord.bot]

    async def busy_slots(self) -> int:
        """Answers that the worker thinks it is writing, a moment after it should write none."""
        async with aiohttp.ClientSession() as http:
            for _ in range(20):
                async with http.get(f"http://127.0.0.1:{self.port}/health") as answer:
                    busy = int((await answer.json())["load"]["running"])
                if not busy:
                    break
                await asyncio.sleep(0.1)
        return busy


@asynccontextmanager
async def open_world(
    folder: Path, seed: int, *, people: int = 4, database: str = "sqlite"
) -> AsyncIterator[World]:
    """A world that runs, with a story for each of its people."""
    async with bare_world(folder, seed, people=people, database=database) as world:
        await world.revive()
        for member, channel in zip(world.members, world.channels, strict=True):
            await world.open_story(member, channel)
        if not await world.settle():
            raise RuntimeError("the first stories did not come to an end")
        yield world


@asynccontextmanager
async def bare_world(
    folder: Path,
    seed: int,
    *,
    people: int,
    database: str = "sqlite",
    settings: dict[str, str] | None = None,
    rate: float = 300.0,
    slots: int = 16,
) -> AsyncIterator[World]:
    """A world of people and channels, in which neither bot nor worker runs yet. `database`: of `DATABASES`."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster()) if database == "postgres" else None
        url = cluster.url if cluster is not None else sqlite_url(folder)
        await migrate(url)
        discord = await stack.enter_async_context(DiscordServer())
        guild = discord.create_guild("Library")
        world = World(
            discord=discord,
            folder=folder,
            database_url=url,
            members=[guild.add_member(f"member-{n}") for n in range(people)],
            channels=[guild.create_text_channel(f"shelf-{n}") for n in range(people)],
            random=random.Random(seed),
            port=free_port(),
            engine=create_async_engine(url, pool_pre_ping=True),
            settings=settings or {},
            rate=rate,
            slots=slots,
            cluster=cluster,
        )
        try:
            yield world
        finally:
            await world.kill(*(name for name in ("bot", "worker") if getattr(world, name) is not None))
            assert world.engine is not None
            await world.engine.dispose()
            discord.forgive()

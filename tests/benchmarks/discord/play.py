"""Starts Discord, worker and bot as processes, opens the threads, and has all members write."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.discord.measured import Record
from tests.benchmarks.discord.stories import label, prompt
from tests.discord_server import Channel, DiscordServer, Member, SpawnedDiscordServer

_ROOT = Path(__file__).parents[3]
_OPENED_AT_ONCE = 5
_OPENING_TOKENS = 8
_QUIET_SECONDS = 3.0
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """`threads` members write over `ramp` seconds; each gets `tokens` tokens, `rate` a second."""

    threads: int
    tokens: int
    rate: float
    ramp: float

    @property
    def patience(self) -> float:
        """Seconds after which a run that has not ended is broken off."""
        return self.ramp + 4 * self.tokens / self.rate + 60


@dataclass
class Run:
    """What was recorded. `memory` is the bot's greatest, in bytes; `cpu` are its seconds of computing while the
    answers were written, `seconds` how long that took."""

    threads: dict[int, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    token_log: list[tuple[str, list[float]]] = field(default_factory=list)
    memory: int = 0
    cpu: float = 0.0
    seconds: float = 0.0


async def play(load: Load, folder: Path) -> Run:
    """A whole run, its files in `folder`.

    Raises:
        TimeoutError: it did not end in time. RuntimeError: the bot ended.
    """
    run = Run()
    times = folder / "times.json"
    async with DiscordServer.spawn() as discord, _worker(load, times) as url:
        guild = discord.create_guild("Library")
        places = [guild.create_text_channel(f"shelf-{n}") for n in range(load.threads)]
        members = [guild.add_member(f"member-{n}") for n in range(load.threads)]
        async with _bot(discord, url, folder) as bot:
            await _open_threads(discord, bot, places, members)
            opened = _records(discord)
            run.threads = _threads_of(opened, load.threads)
            began, cpu = time.monotonic(), _cpu_seconds(bot)
            await _write_all(discord, run.threads, members, load)
            await _quiet(discord, bot, load.patience)
            run.seconds, run.cpu = time.monotonic() - began - _QUIET_SECONDS, _cpu_seconds(bot) - cpu
            run.memory = _peak_memory(bot)
            run.records = _records(discord)[len(opened) :]
    run.token_log = json.loads(times.read_text(encoding="utf-8"))
    return run


async def _open_threads(
    discord: SpawnedDiscordServer,
    bot: asyncio.subprocess.Process,
    places: Sequence[Channel],
    members: Sequence[Member],
) -> None:
    """Each member begins a story in a channel of their own, a few at a time, and gets a short answer."""
    for start in range(0, len(places), _OPENED_AT_ONCE):
        numbers = range(start, min(start + _OPENED_AT_ONCE, len(places)))
        await asyncio.gather(
            *(members[n].slash(places[n], "story start", prompt=prompt(n, _OPENING_TOKENS)) for n in numbers)
        )
    async with asyncio.timeout(60 + len(places)):
        # A machine that is not yet warm may be quiet before the last story has its answer.
        while len(_threads_of(_records(discord), len(places))) < len(places):
            await _quiet(discord, bot, 60 + len(places))


async def _write_all(
    discord: SpawnedDiscordServer, threads: dict[int, str], members: Sequence[Member], load: Load
) -> None:
    """Every member writes in their thread, evenly over the ramp."""
    channels = {thread.id: thread for guild in discord.guilds for thread in guild.threads}
    began = time.monotonic()
    for number, member in enumerate(members):
        await asyncio.sleep(max(0.0, began + number * load.ramp / load.threads - time.monotonic()))
        await member.send(channels[int(threads[number])], prompt(number, load.tokens))
    await asyncio.sleep(load.tokens / load.rate)


async def _quiet(discord: SpawnedDiscordServer, bot: asyncio.subprocess.Process, patience: float) -> None:
    """Until the bot has asked Discord for nothing for a while."""
    seen, since = -1, time.monotonic()
    async with asyncio.timeout(patience):
        while time.monotonic() - since < _QUIET_SECONDS:
            if bot.returncode is not None:
                raise RuntimeError("the bot ended")
            if seen != (count := seen + len(_records(discord, max(0, seen)))) or seen < 0:
                seen, since = max(0, count), time.monotonic()
            await asyncio.sleep(0.25)


def _records(discord: SpawnedDiscordServer, since: int = 0) -> list[Record]:
    found: list[Record] = discord._link.call("server.requests", since=since)
    return found


def _threads_of(records: Sequence[Record], stories: int) -> dict[int, str]:
    """Story → its thread's id, from the answer that opened it, for those that have one."""
    contents = {
        str(record["response"].get("content", "")): str(record["path"]).split("/")[2]
        for record in records
        if record["status"] == 200
        and record["method"] in ("POST", "PATCH")
        and "/messages" in str(record["path"])
    }
    opened = {
        number: next(
            (thread for content, thread in contents.items() if content.startswith(label(number))), None
        )
        for number in range(stories)
    }
    return {number: thread for number, thread in opened.items() if thread is not None}


@asynccontextmanager
async def _worker(load: Load, times: Path) -> AsyncIterator[str]:
    """The fake worker; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.discord.worker",
        "--rate", str(load.rate), "--slots", str(load.threads), "--times", str(times),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _bot(
    discord: SpawnedDiscordServer, worker_url: str, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m bot run`, connected, with the settings that it has by itself."""
    environment = {
        "PATH": os.environ["PATH"],
        "DISCORD_TOKEN": discord.bot_token,
        "DISCORD_API_BASE": discord.api_base,
        "DISCORD_GATEWAY_URL": discord.gateway_url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
        "WORKER_URL": f"{worker_url}/v1",
        "WIKIPEDIA_URL": "http://127.0.0.1:9/{code}/api.php",
        "LOG_LEVEL": "ERROR",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", env=environment, cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await discord.gateway.connected(timeout=_START_SECONDS)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _peak_memory(process: asyncio.subprocess.Process) -> int:
    """The most resident memory that it has had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _cpu_seconds(process: asyncio.subprocess.Process) -> float:
    """What it has computed so far."""
    fields: list[Any] = (
        Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    )
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

"""Several processes, one queue: every job is claimed once, by one of them, and no thread has two answers written at a
time."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from bot.database.connection import Database, open_database
from bot.database.tables import Conversation, Job, JobStatus, Member, Message, MessageStatus, Role
from tests.databases import migrate, sqlite_url
from tests.reliability.claimer import LIMITS
from tests.reliability.postgres import open_cluster
from tests.reliability.world import ROOT

WAITING = 500
"""As many as a queue takes by default: so many wait at a time."""
_MEMBERS = 100
_THREADS_EACH = 5
_ALL_SECONDS = 3 * 3600.0


@dataclass(frozen=True)
class Claim:
    """A job that a process has claimed and ended. It was certainly held between the two times, which are in seconds of
    one clock."""

    job_id: int
    attempt: int
    claimed: float
    held_until: float


@dataclass(frozen=True)
class Report:
    """What came of it. `met`: how often two processes chose the same thread at the same instant, and the database let
    one of them."""

    database: str
    processes: int
    jobs: int
    seconds: float
    each: list[int]
    met: int
    problems: list[str]

    @property
    def rate(self) -> float:
        """Jobs a second, claimed and ended, of all processes together."""
        return self.jobs / self.seconds

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"rate": self.rate}


async def share(folder: Path, *, jobs: int, processes: int, database: str) -> Report:
    """Have so many processes share a queue of so many jobs in a new database."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster()) if database == "postgres" else None
        url = cluster.url if cluster is not None else sqlite_url(folder)
        await migrate(url)
        async with open_database(url) as opened, asyncio.timeout(_ALL_SECONDS):
            threads = await _threads(opened)
            async with asyncio.TaskGroup() as group:
                claiming = [group.create_task(_claimer(url, jobs)) for _ in range(processes)]
                await _fill(opened, threads, jobs)
            found = [_read(task.result()) for task in claiming]
            claims = [claim for those, _ in found for claim in those]
            wrong = await _problems(opened, claims, jobs)
    seconds = max(c.held_until for c in claims) - min(c.claimed for c in claims)
    met = sum(times for _, times in found)
    return Report(database, processes, jobs, seconds, [len(those) for those, _ in found], met, wrong)


async def _claimer(url: str, total: int) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.reliability.claimer", url, str(total)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"a claiming process ended with {process.returncode}")
    return said.decode()


def _read(said: str) -> tuple[list[Claim], int]:
    *lines, last = (line.split() for line in said.splitlines())
    return [Claim(int(a), int(b), float(c), float(d)) for a, b, c, d in lines], int(last[1])


async def _threads(database: Database) -> Sequence[tuple[int, int]]:
    """Members with threads; returns (conversation, member) of each."""
    async with database.transaction() as session:
        await session.execute(insert(Member), [{"id": n + 1} for n in range(_MEMBERS)])
        rows = [
            {
                "channel_id": 1,
                "thread_id": 1000 + n,
                "opener_id": n % _MEMBERS + 1,
                "title": "x",
                "language": "en",
            }
            for n in range(_MEMBERS * _THREADS_EACH)
        ]
        await session.execute(insert(Conversation), rows)
        found = await session.execute(
            select(Conversation.id, Conversation.opener_id).order_by(Conversation.id)
        )
        return [(conversation, member) for conversation, member in found]


async def _fill(database: Database, threads: Sequence[tuple[int, int]], jobs: int) -> None:
    """Add jobs as room comes, the threads in turn."""
    added = 0
    while added < jobs:
        async with database.reading() as session:
            query = select(func.count()).select_from(Job).where(Job.status == JobStatus.QUEUED)
            room = min(WAITING - int(await session.scalar(query) or 0), jobs - added)
        if room < min(WAITING // 4, jobs - added):
            await asyncio.sleep(0.05)
            continue
        chosen = [threads[(added + n) % len(threads)] for n in range(room)]
        async with database.transaction() as session:
            texts = [
                {"conversation_id": place, "role": Role.ASSISTANT, "status": MessageStatus.WAITING}
                for place, _ in chosen
            ]
            answers = await session.scalars(
                insert(Message).returning(Message.id, sort_by_parameter_order=True), texts
            )
            rows = [
                {"conversation_id": place, "answer_id": answer, "member_id": member, "guild_id": 1}
                for (place, member), answer in zip(chosen, answers, strict=True)
            ]
            await session.execute(insert(Job), rows)
        added += room


async def _problems(database: Database, claims: Sequence[Claim], jobs: int) -> list[str]:
    """Claims that were made twice, jobs that were left, threads and members with too many at a time."""
    found = []
    times = Counter(claim.job_id for claim in claims)
    if doubles := [job_id for job_id, count in times.items() if count > 1]:
        found.append(f"{len(doubles)} jobs were claimed twice, {doubles[0]} among them")
    if len(times) != jobs:
        found.append(f"{len(times)} of {jobs} jobs were claimed")
    async with database.reading() as session:
        rows = list(
            await session.execute(
                select(Job.id, Job.conversation_id, Job.member_id).where(
                    Job.status == JobStatus.DONE, Job.attempts == 1, Job.lease_owner.is_(None)
                )
            )
        )
    if len(rows) != jobs:
        found.append(f"{len(rows)} of {jobs} jobs are done at the first attempt")
    where = {job_id: (conversation, member) for job_id, conversation, member in rows}
    for what, place, most in (("thread", 0, 1), ("member", 1, LIMITS.member_running)):
        at_a_time = _most_at_a_time([(where[c.job_id][place], c) for c in claims if c.job_id in where])
        if at_a_time > most:
            found.append(f"{at_a_time} answers of one {what} were written at a time, {most} may be")
    return found


def _most_at_a_time(claims: Sequence[tuple[int, Claim]]) -> int:
    """Of the claims with one key, how many were held at the same instant."""
    edges = defaultdict[int, list[tuple[float, int]]](list)
    for key, claim in claims:
        edges[key] += [(claim.claimed, 1), (claim.held_until, -1)]
    most = 0
    for moments in edges.values():
        held = 0
        for _, change in sorted(moments):
            held += change
            most = max(most, held)
    return most

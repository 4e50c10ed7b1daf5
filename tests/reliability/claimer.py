"""A process that claims answers as a bot process does and writes nothing: `python -m tests.reliability.claimer URL …`.

Each line of what it prints is a job's id, the attempt, and two times between which it was certainly held, in seconds of
the clock that all processes of a machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from bot.answers.store import AnswerStore
from bot.database.connection import Database, open_database
from bot.database.tables import Job, JobStatus, MessageStatus
from bot.queue.repository import Limits, new_owner

LIMITS = Limits(queue=10_000, member_waiting=10_000, member_running=2)
_LEASE = timedelta(seconds=120)
_SLOTS = 16
_WRITING = 0.02
"""Seconds that an answer takes at most."""
_ENDED = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


async def claim_all(database: Database, total: int) -> int:
    """Until so many jobs have ended, whoever ended them. Returns how often two processes met in one thread."""
    store = AnswerStore(database, LIMITS, new_owner())
    writing: set[asyncio.Task[None]] = set()
    met = 0
    while True:
        while len(writing) >= _SLOTS:
            await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        try:
            job = await store.claim(_LEASE)
        except IntegrityError:
            met += 1
            continue
        if job is not None:
            task = asyncio.create_task(_write(store, job, time.monotonic()))
            writing.add(task)
            task.add_done_callback(writing.discard)
        elif await _ended(database) >= total:
            break
        else:
            await asyncio.sleep(0.02)
    await asyncio.gather(*writing)
    return met


async def _write(store: AnswerStore, job: Job, claimed: float) -> None:
    await asyncio.sleep(random.uniform(0.0, _WRITING))
    work, held = await store.peek(job), time.monotonic()
    await store.finish(work, JobStatus.DONE, MessageStatus.COMPLETE)
    sys.stdout.write(f"{job.id} {job.attempts} {claimed} {held}\n")


async def _ended(database: Database) -> int:
    async with database.reading() as session:
        query = select(func.count()).select_from(Job).where(Job.status.in_(_ENDED))
        return int(await session.scalar(query) or 0)


async def _run(url: str, total: int) -> None:
    async with open_database(url) as database:
        met = await claim_all(database, total)
    sys.stdout.write(f"met {met}\n")


def main() -> None:
    """Claim until all is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("total", type=int)
    options = parser.parse_args()
    asyncio.run(_run(options.url, options.total))


if __name__ == "__main__":
    main()

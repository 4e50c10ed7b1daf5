"""Servers divided among several processes: each takes what is its own from the queue that all share."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Job
from bot.queue.repository import JobQueue
from bot.queue.shard import Shard, is_covered
from tests.bot.rows import LIMITS, begin

GUILDS = [None, 1, 81384788765712384, 197038439483310086, 613425648685547541, 9_007_199_254_740_991]


def covers(shard: Shard, guild: int | None) -> bool:
    """Discord's own formula; what belongs to no server is the first shard's."""
    return ((guild or 0) >> 22) % shard.count == shard.number


async def test_each_process_takes_what_is_its_own_and_nothing_stays(database: Database) -> None:
    for member, guild in enumerate(GUILDS, 1):
        await begin(database, member, guild_id=guild)
    taken: list[int | None] = []
    for shard in (Shard(n, 3) for n in range(3)):
        async with database.transaction() as session:
            query = select(Job.guild_id).where(is_covered(Job.guild_id)).order_by(Job.id)
            values = {"shard_number": shard.number, "shard_count": shard.count}
            assert list(await session.scalars(query, values)) == [g for g in GUILDS if covers(shard, g)]
            queue = JobQueue(session, LIMITS)
            while (job := await queue.claim("me", timedelta(seconds=30), shard)) is not None:
                assert covers(shard, job.guild_id)
                taken.append(job.guild_id)
    assert len(taken) == len(GUILDS)

"""A thousand threads, two hundred members who write in them for minutes, one bot process, a worker with 64 slots; then
more at once than the queue takes.

Every member asks for as much as every other: one answer at a time, all of the same length, in their threads by turns,
and a while after each answer the next. So they wait alike where the queue is fair. What is sent in the
warm-up is not counted; everything sent after it is, however late it is answered.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from sqlalchemy import insert, select
from sqlalchemy.orm import aliased

from bot.database.tables import Conversation, Job, Message
from tests.discord_server import Channel, Member
from tests.reliability.load_figures import GROWTH_SHARE, Flood, Report, Turn
from tests.reliability.load_machine import Machine
from tests.reliability.load_people import Asked, People
from tests.reliability.verify import problems
from tests.reliability.world import ROOT, World, bare_world

_THINKING = (0.2, 0.8)
"""How long a member takes from an answer to the next message: between these shares of the time of an answer."""
_PATIENCE = 240.0
"""Seconds after which an answer counts as lost."""
_QUIET = 2.0
_START_SECONDS = 60.0
_FILLED_IN = 3.0
"""Seconds within which the queue is filled."""
_DRIPPING = 6.0
"""Seconds for which members write, beyond what the queue takes, before all do at once."""
_DRIP = 1.5
"""Messages in that time to those that the worker can answer."""
_TELLS_EVERY = 10.0


@dataclass(frozen=True)
class Load:
    """So many `members` in so many `threads` each; `tokens` of each answer, `rate` a second, in so many `slots`."""

    members: int = 200
    threads: int = 5
    slots: int = 64
    tokens: int = 450
    rate: float = 30.0
    warm_up: float = 45.0
    minutes: float = 10.0

    @property
    def capacity(self) -> float:
        """Answers a second that the worker can write."""
        return self.slots * self.rate / self.tokens

    @property
    def queue(self) -> int:
        """Requests that may wait; in the run itself fewer do."""
        return self.members


async def load(shape: Load, folder: Path, seed: int) -> Report:
    """The whole run, its files in `folder`."""
    settings = {
        "QUEUE_LIMIT": str(shape.queue),
        "MEMBER_CONCURRENCY": "1",
        "LEASE_SECONDS": "20",
        "LOG_LEVEL": "WARNING",
    }
    async with bare_world(folder, seed, people=shape.members, settings=settings) as world:
        _say("opening threads")
        threads = await _open_threads(world, shape.threads)
        await _start_worker(world, shape)
        await world.start_bot()
        people = People(world)
        async with _beside(world, people) as machine:
            began = time.time() + shape.warm_up
            until = began + shape.minutes * 60
            await _write_all(world, people, threads, shape, until)
            await _settle(world, people)
            asked, requests = len(people.asked), people.requests
            written = time.time()
            _say("more than the queue takes")
            flood = await _flood(world, people, threads, shape)
        _say("going through every letter")
        await world.kill("bot")
        found = await problems(world, aside={*_refused(people), *people.notes})
        turns = [turn for turn in await _turns(world, people) if began <= turn.sent < until]
    if late := asked - sum(story.done is not None for story in list(people.asked.values())[:asked]):
        found.append(f"{late} answers were never whole")
    return Report(
        options=vars(shape),
        turns=turns,
        asked=asked,
        seconds=until - began,
        problems=found,
        flood=flood,
        requests=requests,
        too_many=people.too_many,
        memory_peak=max(size for _, size in machine.memory),
        memory_growth=machine.growth(until - (until - began) * GROWTH_SHARE, written),
        cpu=machine.shares(began, until),
        standing=machine.standing(began, until),
        load=machine.load,
        late=machine.late,
    )


@asynccontextmanager
async def _beside(world: World, people: People) -> AsyncIterator[Machine]:
    """Watch Discord and the machine, and tell how it goes."""
    assert world.bot is not None
    assert world.worker is not None
    processes = {
        "bot": psutil.Process(world.bot.pid),
        "worker": psutil.Process(world.worker.pid),
        "members and Discord": psutil.Process(),
    }
    machine = Machine(processes)
    tasks = [
        asyncio.create_task(people.watch(), name="watch"),
        asyncio.create_task(machine.run(), name="machine"),
        asyncio.create_task(_tell(people, machine), name="tell"),
    ]
    try:
        yield machine
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _tell(people: People, machine: Machine) -> None:
    began = time.time()
    while True:
        await asyncio.sleep(_TELLS_EVERY)
        now = time.time()
        stories = list(people.asked.values())
        fresh = [s for s in stories if s.first is not None and s.first > now - _TELLS_EVERY]
        wait = sum((s.first or 0.0) - s.sent for s in fresh) / max(1, len(fresh))
        cores = ", ".join(f"{name} {n:.2f}" for name, n in machine.shares(now - _TELLS_EVERY, now).items())
        _say(
            f"{now - began:.0f} s: {len(stories)} asked, {sum(s.done is not None for s in stories)} answered, "
            f"{sum(s.refused is not None for s in stories)} refused; first text after {wait:.1f} s; "
            f"bot {machine.memory[-1][1]:.0f} MB; cores: {cores}; load {machine.load[-1]:.1f}"
        )


async def _open_threads(world: World, each: int) -> list[list[Channel]]:
    """Threads as they are after months: they exist, on Discord and as rows."""
    assert world.engine is not None
    threads, rows = [], []
    for member, channel in zip(world.members, world.channels, strict=True):
        own = [await member.start_thread(channel, f"{member.name} {n}") for n in range(each)]
        rows += [_row(member, channel, thread) for thread in own]
        threads.append(own)
        world.threads += own
    async with world.engine.begin() as connection:
        await connection.execute(insert(Conversation), rows)
    return threads


def _row(member: Member, channel: Channel, thread: Channel) -> dict[str, Any]:
    return {
        "guild_id": member.guild_id,
        "channel_id": channel.id,
        "thread_id": thread.id,
        "opener_id": member.id,
        "title": "a story",
        "language": "en",
    }


async def _start_worker(world: World, shape: Load) -> None:
    world.worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.reliability.load_worker", "--port", str(world.port)),
        *("--rate", str(shape.rate), "--slots", str(shape.slots), "--times", str(_times(world))),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
    )
    async with aiohttp.ClientSession() as http, asyncio.timeout(_START_SECONDS):
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{world.port}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def _times(world: World) -> Path:
    return world.folder / "times"


async def _write_all(
    world: World, people: People, threads: Sequence[Sequence[Channel]], shape: Load, until: float
) -> None:
    async def write(place: int) -> None:
        # The first messages come over as long as it takes to answer them.
        await asyncio.sleep(place / shape.capacity)
        own = cycle(world.random.sample(threads[place], len(threads[place])))
        while time.time() < until:
            story = await people.ask(place, next(own), shape.tokens)
            await _over(story)
            await asyncio.sleep(world.random.uniform(*_THINKING) * shape.tokens / shape.rate)

    await asyncio.gather(*(write(place) for place in range(shape.members)))


async def _over(story: Asked) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await story.over.wait()
    except TimeoutError:
        return  # it is counted at the end


async def _settle(world: World, people: People) -> None:
    """Until nothing is waiting or being written, and Discord is asked for nothing; what does not come to that is
    found at the end."""
    until = time.monotonic() + _PATIENCE
    requests, since = -1, time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < _QUIET:
        if people.requests != requests or await world.open_jobs():
            requests, since = people.requests, time.monotonic()
        await asyncio.sleep(0.25)


async def _flood(world: World, people: People, threads: Sequence[Sequence[Channel]], shape: Load) -> Flood:
    """Fill the queue; write on, a little more than is answered meanwhile; then in all threads that are left at once.
    Who is refused is told, what was taken is answered, and then all is well."""
    places = [(place, thread) for place, own in enumerate(threads) for thread in own]
    world.random.shuffle(places)
    fill = shape.queue + shape.slots
    drip = int(_DRIPPING * _DRIP * shape.capacity)
    first = await _over_time(people, places[:fill], shape, _FILLED_IN)
    dripped = await _over_time(people, places[fill : fill + drip], shape, _DRIPPING)
    at_once = time.time()
    flooded = await asyncio.gather(
        *(people.ask(place, thread, shape.tokens) for place, thread in places[fill + drip :])
    )
    await asyncio.gather(*(_over(story) for story in (*first, *dripped, *flooded)))
    await _settle(world, people)
    after = await people.ask(0, threads[0][0], shape.tokens)
    await _over(after)
    await _settle(world, people)
    stories = [*first, *dripped, *flooded]
    refused = [story.refused for story in flooded if story.refused is not None]
    return Flood(
        asked=len(stories),
        answered=sum(story.done is not None for story in stories),
        refused=sum(story.refused is not None for story in stories),
        refusals=[story.refused - story.sent for story in dripped if story.refused is not None],
        flooded=len(refused),
        flood_seconds=max(refused, default=at_once) - at_once,
        recovered=(after.first or float("inf")) - after.sent,
    )


async def _over_time(
    people: People, places: Sequence[tuple[int, Channel]], shape: Load, seconds: float
) -> list[Asked]:
    """Messages in these threads, evenly over so many seconds."""
    began, stories = time.time(), []
    for number, (place, thread) in enumerate(places):
        await asyncio.sleep(max(0.0, began + number * seconds / len(places) - time.time()))
        stories.append(await people.ask(place, thread, shape.tokens))
    return stories


def _refused(people: People) -> list[int]:
    return [story.message_id for story in people.asked.values() if story.refused is not None]


async def _turns(world: World, people: People) -> list[Turn]:
    """The answered messages, by what Discord, the database and the worker noted."""
    assert world.engine is not None
    answer, question = aliased(Message), aliased(Message)
    query = (
        select(question.discord_message_id, Job.created_at, Job.started_at)
        .join(answer, answer.id == Job.answer_id)
        .join(question, question.id == answer.parent_id)
    )
    async with world.engine.connect() as connection:
        jobs = {row.discord_message_id: row for row in await connection.execute(query)}
    lines = (line.split() for line in _times(world).read_text(encoding="ascii").splitlines())
    tokens = {int(number): (float(first), float(last)) for number, first, last in lines}
    turns = []
    for story in people.asked.values():
        job, times = jobs.get(story.message_id), tokens.get(story.number)
        if (
            job is None
            or job.started_at is None
            or times is None
            or story.first is None
            or story.done is None
        ):
            continue
        turns.append(
            Turn(
                member=story.member,
                sent=story.sent,
                queued=job.created_at.timestamp(),
                claimed=job.started_at.timestamp(),
                first_token=times[0],
                first_text=story.first,
                last_token=times[1],
                whole=story.done,
            )
        )
    return turns


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()

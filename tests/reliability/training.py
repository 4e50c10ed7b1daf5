"""Kills while an operator's run is trained: of the bot, the worker, the trainer, its job's process, and several of
them at once. The run is begun as operators begin it, and a story is written beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from bot.database.tables import RunStatus, TrainingRun
from tests.discord_server import ClientRefusedError, Message
from tests.reliability.kills import Cell
from tests.reliability.training_checks import result_names, run_problems
from tests.reliability.training_world import Workshop, running_workshop
from tests.reliability.world import LONG
from training.serving.following import training_of
from training.serving.jobs import Job, Stage

VICTIMS = (
    ("bot",),
    ("worker",),
    ("trainer",),
    ("job",),
    ("trainer", "job"),
    ("bot", "worker", "trainer", "job"),
)
_REACH_SECONDS = 240.0

Reached = Callable[[Workshop, TrainingRun], bool]


def _job(workshop: Workshop, run: TrainingRun) -> Job | None:
    return next(iter(workshop.jobs_of(run.key)), None)


def _known(workshop: Workshop, run: TrainingRun) -> bool:
    """The trainer has the run."""
    return _job(workshop, run) is not None


def _at_step(workshop: Workshop, run: TrainingRun) -> bool:
    """A step is done, and others are still to come."""
    job = _job(workshop, run)
    return job is not None and (job.ended or training_of(workshop.files_of(job)).step > 0)


def _in_stage(stage: Stage) -> Reached:
    def reached(workshop: Workshop, run: TrainingRun) -> bool:
        job = _job(workshop, run)
        return job is not None and (job.ended or job.stage == stage)

    return reached


def _done(workshop: Workshop, run: TrainingRun) -> bool:
    job = _job(workshop, run)
    return job is not None and job.ended


MOMENTS: dict[str, tuple[Reached, float]] = {
    "handing over": (lambda *_: True, 1.0),
    "waiting": (_known, 20.0),
    "importing": (_in_stage("training"), 17.0),
    "training": (_at_step, 5.0),
    "evaluating": (_in_stage("evaluating"), 40.0),
    "saving": (_in_stage("finishing"), 1.5),
    "reporting": (_done, 6.0),
}
"""Moment → when it begins, and within how many seconds of that the kill falls. One that waits has another job in front
of it."""
_NO_PROCESS = ("handing over", "reporting")
"""Where there is no job's process to be killed alone."""


def name_of(moment: str, victims: Sequence[str]) -> str:
    """The name of a cell."""
    return f"kill {' and '.join(victims)}, run {moment}"


def plan() -> list[tuple[str, tuple[str, ...]]]:
    """All cells, so ordered that a few of them at the beginning already have each victim, at several moments."""
    moments = list(MOMENTS)
    pairs = [
        (moments[(place + turn) % len(moments)], victims)
        for turn in range(len(moments))
        for place, victims in enumerate(VICTIMS)
    ]
    return [
        (moment, victims) for moment, victims in pairs if victims != ("job",) or moment not in _NO_PROCESS
    ]


def cells() -> dict[str, Cell]:
    """The matrix, empty."""
    order = {victims: place for place, victims in enumerate(VICTIMS)}
    pairs = sorted(plan(), key=lambda pair: (list(MOMENTS).index(pair[0]), order[pair[1]]))
    return {name: Cell(name) for name in (name_of(*pair) for pair in pairs)}


def attempts(count: int) -> list[tuple[str, Callable[[Workshop], Awaitable[list[str]]]]]:
    """So many kills, each with the name of its cell."""
    pairs = plan()
    chosen = [pairs[n % len(pairs)] for n in range(count)]
    return [
        (name_of(moment, victims), partial(kill_once, moment=moment, victims=victims))
        for moment, victims in chosen
    ]


@asynccontextmanager
async def open_workshop(folder: Path, seed: int, *, database: str = "sqlite") -> AsyncIterator[Workshop]:
    """A workshop that runs, with what a run gives that nothing disturbs."""
    async with running_workshop(folder, seed, database=database) as workshop:
        run, proposal = await workshop.propose()
        await _begin(workshop, proposal)
        if not await workshop.over(run.id) or (found := await run_problems(workshop, run.id)):
            run = await workshop.run(run.id)
            raise RuntimeError(f"a run that nothing disturbed is {run.status}: {run.error}; {found}")
        (job,) = workshop.jobs_of(run.key)
        workshop.reference = workshop.adapters / run.name
        workshop.reference_files = await result_names(workshop, job)
        yield workshop


async def kill_once(workshop: Workshop, moment: str, victims: Sequence[str]) -> list[str]:
    """One kill at one moment of a run, and what is wrong after everything runs again and the run is over."""
    world = workshop.world
    reached, window = MOMENTS[moment]
    before = [await workshop.queue_another()] if moment == "waiting" else []
    run, proposal = await workshop.propose()
    beginning = asyncio.create_task(_begin(workshop, proposal))
    if moment != "handing over":
        await _reach(lambda: reached(workshop, run))
    place = world.random.randrange(len(world.members))
    telling = asyncio.create_task(world.members[place].send(world.threads[place], world.next_prompt(LONG)))
    await asyncio.sleep(world.random.uniform(0.0, window))
    await workshop.kill(victims)
    await asyncio.gather(beginning, telling, return_exceptions=True)
    if world.random.random() < 0.3:
        await asyncio.sleep(world.random.uniform(0.0, 3.0))
    await workshop.revive()
    if (await workshop.run(run.id)).status == RunStatus.PROPOSED:
        await _begin(workshop, proposal)  # «The application did not respond»: who sees that presses again
    if not await workshop.over(run.id, *before):
        return [f"the run is not over; {line}" for line in await run_problems(workshop, run.id)]
    rest = [] if await world.settle() else ["nothing came to rest"]
    return [*rest, *await run_problems(workshop, run.id), *_other_problems(workshop, before)]


def _other_problems(workshop: Workshop, ids: Sequence[str]) -> list[str]:
    """The jobs in front of the run are done."""
    return [
        f"the job in front of the run is {job.status}: {job.error.message if job.error is not None else ''}"
        for job in workshop.jobs()
        if job.id in ids and job.status != "succeeded"
    ]


async def _begin(workshop: Workshop, proposal: Message) -> None:
    with suppress(ClientRefusedError, TimeoutError):
        await workshop.operator.click(proposal, "Begin")


async def _reach(condition: Callable[[], bool]) -> None:
    """Wait for a moment; whatever keeps it from coming shows afterwards."""
    until = time.monotonic() + _REACH_SECONDS
    while not condition() and time.monotonic() < until:
        await asyncio.sleep(0.05)

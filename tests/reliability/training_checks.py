"""What must be so of a training run after any kill: its row, its job, its messages, its adapter, its processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import deserialize

from bot.database.tables import RunStatus, TrainingRun
from model.adapter_folder import CONFIG, WEIGHTS
from tests.discord_server import Message
from tests.reliability.training_world import Workshop
from tests.reliability.verify import problems
from training.serving.jobs import Job

_GONE_SECONDS = 40.0
"""How long what a killed process left may take to find that out."""


@dataclass(frozen=True)
class Post:
    """A message of the bot's in the channel of the runs, as far as it says how a run is."""

    title: str = ""
    description: str = ""
    buttons: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: Message) -> Post:
        """What a message shows."""
        embed = message.embeds[0] if message.embeds else {}
        return cls(
            str(embed.get("title", "")),
            str(embed.get("description", "") if embed else message.content),
            tuple(message.buttons),
            tuple(each.filename for each in message.attachments),
        )


def row_problems(run: TrainingRun) -> list[str]:
    """The run's row says that it has succeeded, and that its last word is said."""
    found = [] if run.reported else ["the run is not reported"]
    if run.status != RunStatus.SUCCEEDED:
        found.append(f"the run is {run.status}: {run.error}")
    return found


def job_problems(jobs: Sequence[Job], run: TrainingRun) -> list[str]:
    """The trainer has been given the run once, and agrees how it ended."""
    if len(jobs) != 1:
        return [f"the trainer has {len(jobs)} jobs of the run"]
    found = (
        [] if jobs[0].status == run.status.value else [f"the job is {jobs[0].status}, the run {run.status}"]
    )
    if jobs[0].id != run.job_id:
        found.append("the run names another job")
    return found


def post_problems(posts: Sequence[Post], run: TrainingRun) -> list[str]:
    """One message says that the run is done, and one reports on it."""
    own = [post for post in posts if post.title.endswith(f": {run.name}")]
    reports = [post for post in own if post.title.startswith("Report of ")]
    states = [post for post in own if post not in reports]
    found = []
    if len(states) != 1:
        found.append(f"{len(states)} messages show the run")
    for state in states:
        if "Done." not in state.description:
            found.append(f"the run's message does not say how it ended: {state.description!r}")
        if state.buttons:
            found.append(f"the run's message has buttons yet: {', '.join(state.buttons)}")
        if state.files != ("loss.png",):
            found.append(f"the run's message shows {state.files} instead of its curves")
    if len(reports) != 1:
        found.append(f"{len(reports)} messages report on the run")
    found += [
        f"a report has the files {report.files}" for report in reports if report.files != ("heatmap.png",)
    ]
    return found


def stray_problems(posts: Sequence[Post], names: Sequence[str]) -> list[str]:
    """No message stands in the channel that belongs to no run."""
    ends = tuple(f": {name}" for name in names)
    return [f"a message of no run: {post}" for post in posts if not post.title.endswith(ends)]


def adapter_problems(place: Path, reference: Path | None) -> list[str]:
    """The adapter is whole, and bit for bit what a run that nothing disturbed has made."""
    if missing := [name for name in (CONFIG, WEIGHTS) if not (place / name).is_file()]:
        return [f"the adapter lacks {', '.join(missing)}"]
    if place.with_name(f".{place.name}").exists():
        return ["a half-made adapter was left beside it"]
    if reference is None:
        return []
    here, there = _files(place), _files(reference)
    if here != there:
        return [f"the adapter has other files: {sorted(here ^ there)}"]
    one, other = _weights(place), _weights(reference)
    if one.keys() != other.keys():
        return ["the adapter has other weights"]
    differing = [name for name, tensor in one.items() if tensor != other[name]]
    return (
        [f"{len(differing)} of {len(one)} tensors differ from those of an undisturbed run"]
        if differing
        else []
    )


def _weights(folder: Path) -> dict[str, object]:
    """Tensors as they lie in the file: shape, type and bytes."""
    return dict(deserialize((folder / WEIGHTS).read_bytes()))


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def process_problems(at_work: Mapping[int, Sequence[str]], trainer: int | None) -> list[str]:
    """Nothing of the trainer runs but itself."""
    found = [f"a process is left over: {' '.join(line)}" for n, line in at_work.items() if n != trainer]
    return found if trainer in at_work else ["the trainer does not run", *found]


def result_problems(names: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Each result is there once."""
    if not expected or Counter(names) == Counter(expected):
        return []
    return [f"the results are {sorted(names)} instead of {sorted(expected)}"]


async def result_names(workshop: Workshop, job: Job) -> list[str]:
    """The result files of a job, as the trainer hands them out."""
    async with workshop.client() as client:
        return [(await client.files.retrieve(file_id)).filename for file_id in job.result_files]


async def run_problems(workshop: Workshop, run_id: int) -> list[str]:
    """Everything that is not as promised of one run and of the stories beside it, a line each."""
    world = workshop.world
    run = await workshop.run(run_id)
    found = row_problems(run)
    jobs = workshop.jobs_of(run.key)
    found += job_problems(jobs, run)
    own = [message for message in workshop.channel.written if message.author == world.discord.bot]
    posts = [Post.of(message) for message in own if not message.ephemeral]
    found += post_problems(posts, run)
    found += stray_problems(posts, [job.name for job in workshop.jobs()])
    place = workshop.adapters / run.name
    found += adapter_problems(place, workshop.reference)
    for job in jobs:
        found += result_problems(await result_names(workshop, job), workshop.reference_files)
    found += await _left_over(workshop)
    return found + await problems(world)


async def _left_over(workshop: Workshop) -> list[str]:
    """Once what was left has had its time to find that out."""
    assert workshop.trainer is not None
    found: list[str] = []
    for _ in range(int(_GONE_SECONDS)):
        found = process_problems(workshop.at_work(), workshop.trainer.pid)
        if not found:
            break
        await asyncio.sleep(1.0)
    return found

"""Jobs that are cut off: by a kill of the trainer, its stop, a cancel, and a member who wants to be forgotten."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from tests.training.serving.conftest import (
    StandInWorker,
    lines,
    rows,
    stand_in_worker,
    trainer_process,
    until,
    write_recipes,
)
from training.locking import lock

pytestmark = pytest.mark.long


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[StandInWorker]:
    """A worker that sleeps for jobs, in whose trainer's folder the recipes lie."""
    write_recipes(tmp_path)
    async with stand_in_worker() as found:
        yield found


def settings(worker: StandInWorker) -> dict[str, str]:
    return {
        "WORKER_URL": worker.url,
        "WORKER_ADMIN_TOKEN": worker.token,
        "TRAINER_SLEEP_WORKER": "always",
    }


async def begin(client: openai.AsyncOpenAI, recipe: str, **metadata: str) -> Any:
    """A job without an evaluation, on rows of two members."""
    mine = [{**row, "members": ["ann" if place % 2 else "bob"]} for place, row in enumerate(rows(12))]
    file = await client.files.create(
        file=("rows.jsonl", lines(*mine)), purpose="fine-tune", extra_body={"checks": "form"}
    )
    return await client.fine_tuning.jobs.create(
        model="base",
        training_file=file.id,
        validation_file=file.id,
        metadata={"recipe": recipe, "evaluate": "false", **metadata},
    )


async def at_step(client: openai.AsyncOpenAI, job_id: str, step: int) -> None:
    async def there() -> bool:
        job = await client.fine_tuning.jobs.retrieve(job_id)
        assert job.status in {"queued", "running"}, job.error
        progress = job.model_extra["progress"]  # type: ignore[index]
        return bool(progress and progress["stage"] == "training" and progress["step"] >= step)

    await until(there)


async def ended(client: openai.AsyncOpenAI, job_id: str) -> Any:
    async def over() -> Any:
        job = await client.fine_tuning.jobs.retrieve(job_id)
        return job if job.status in {"succeeded", "failed", "cancelled"} else None

    return await until(over)


async def messages(client: openai.AsyncOpenAI, job_id: str) -> list[str]:
    """The oldest first."""
    events = await client.fine_tuning.jobs.list_events(job_id, limit=1000, extra_query={"order": "asc"})
    return [event.message for event in events.data]


async def awake(worker: StandInWorker) -> None:
    async def is_awake() -> bool:
        return not worker.asleep

    await until(is_awake, 15)


async def test_a_killed_trainer_goes_on_from_the_checkpoint(worker: StandInWorker, tmp_path: Path) -> None:
    async with trainer_process(tmp_path, **settings(worker)) as (process, client):
        job, waiting = await begin(client, "slow"), await begin(client, "quick")
        await at_step(client, job.id, 3)
        process.kill()
        await process.wait()
    assert worker.asleep  # nobody was there to wake it up
    async with trainer_process(tmp_path, **settings(worker)) as (_, client):
        assert (await client.fine_tuning.jobs.retrieve(waiting.id)).status == "queued"
        await client.fine_tuning.jobs.cancel(waiting.id)
        done = await ended(client, job.id)
        assert done.error is None
        assert done.status == "succeeded"
        said = await messages(client, job.id)
        await awake(worker)
    assert "The trainer was started again; the job goes on." in said
    resumed = [line for line in said if line.startswith("Training goes on after step ")]
    assert len(resumed) == 1
    step = int(resumed[0].split()[-1].rstrip("."))
    assert step >= 2
    after = said[said.index(resumed[0]) :]
    steps = [line for line in after if line.startswith("Step ") and "training loss" in line]
    assert steps[0].startswith(f"Step {step + 1} of ")
    last = steps[-1].split(":")[0].split()
    assert last[1] == last[3]  # step 36 of 36
    assert sum(line.startswith("Training has begun") for line in said) == 1


async def test_a_job_goes_on_from_the_checkpoint_where_the_system_ends_its_process(
    worker: StandInWorker, tmp_path: Path
) -> None:
    async with trainer_process(tmp_path, **settings(worker)) as (process, client):
        job = await begin(client, "slow")
        await at_step(client, job.id, 3)
        (stage,) = psutil.Process(process.pid).children()
        stage.kill()
        done = await ended(client, job.id)
        said = await messages(client, job.id)
    assert done.status == "succeeded", done.error
    assert sum("It goes on where it was." in line for line in said) == 1
    (resumed,) = (line for line in said if line.startswith("Training goes on after step "))
    assert int(resumed.split()[-1].rstrip(".")) >= 2


async def test_a_job_begins_anew_without_a_forgotten_members_rows(
    worker: StandInWorker, tmp_path: Path
) -> None:
    async with trainer_process(tmp_path, **settings(worker)) as (process, client):
        job = await begin(client, "slow")
        await at_step(client, job.id, 1)
        assert (await client.post("/members/ann/forget", cast_to=object))["removed"] == 6  # type: ignore[index]

        async def begun_anew() -> bool:
            said = await messages(client, job.id)
            return sum(line.startswith("Training has begun") for line in said) == 2

        await until(begun_anew)
        rows_left = (tmp_path / "trainer" / "jobs" / job.id / "data" / "splits" / "train.jsonl").read_text()
        assert len(rows_left.splitlines()) == 6

        # The trainer is told to stop …
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert not worker.asleep
        with lock(tmp_path / "trainer" / "jobs" / job.id / ".lock"):
            pass  # its process has ended, too
    async with trainer_process(tmp_path, **settings(worker)) as (_, client):
        # … and the next one goes on with it, until it is cancelled.
        assert (await client.fine_tuning.jobs.retrieve(job.id)).status == "running"
        async with asyncio.timeout(15):
            assert (await client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
            await awake(worker)
        with lock(tmp_path / "trainer" / "jobs" / job.id / ".lock"):
            assert not (tmp_path / "trainer" / "jobs" / job.id / "data").exists()


async def test_a_worker_that_says_no_fails_the_job_in_plain_words(
    worker: StandInWorker, tmp_path: Path
) -> None:
    environment = {**settings(worker), "WORKER_ADMIN_TOKEN": "not-the-right-one"}
    async with trainer_process(tmp_path, **environment) as (_, client):
        job = await ended(client, (await begin(client, "quick")).id)
    assert job.status == "failed"
    assert "could not be put to sleep: 401" in job.error.message
    assert "WORKER_ADMIN_TOKEN" in job.error.message
    assert worker.calls == []

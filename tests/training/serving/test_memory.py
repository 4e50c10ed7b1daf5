"""The worker's sleep: asked for, and always given back, whatever happens to worker or trainer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.training.serving.conftest import StandInWorker, stand_in_worker
from training.serving import memory
from training.serving.errors import WorkerRefused
from training.serving.memory import WorkerMemory

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "RETRY_SECONDS", (0.01,))


def of(worker: StandInWorker, folder: Path) -> WorkerMemory:
    return WorkerMemory(folder, worker.url, worker.token, wanted=True)


async def test_a_worker_that_is_not_ready_is_asked_again(tmp_path: Path) -> None:
    said: list[str] = []
    async with stand_in_worker() as worker:
        worker.answers = [503, 500]
        held = of(worker, tmp_path)
        await held.take(said.append)
        assert (worker.calls, held.taken) == (["sleep"], True)
        worker.answers = [503, 503]
        await held.give_back(said.append)
    assert (worker.calls, held.taken) == (["sleep", "wake_up"], False)
    assert said == ["The worker sleeps, its memory is free.", "The worker is awake again."]


async def test_the_debt_outlives_the_trainer(tmp_path: Path) -> None:
    async with stand_in_worker() as worker:
        await of(worker, tmp_path).take(lambda _: None)
        await of(worker, tmp_path).give_back()
        assert worker.calls == ["sleep", "wake_up"]
        await of(worker, tmp_path).give_back()
        assert worker.calls == ["sleep", "wake_up"]


async def test_a_refusal_is_told_and_owes_nothing(tmp_path: Path) -> None:
    async with stand_in_worker() as worker:
        held = WorkerMemory(tmp_path, worker.url, "another-token", wanted=True)
        with pytest.raises(WorkerRefused, match="401"):
            await held.take(lambda _: None)
    assert not held.taken


async def test_a_worker_that_does_not_run_holds_no_memory(tmp_path: Path) -> None:
    said: list[str] = []
    held = WorkerMemory(tmp_path, NOWHERE, None, wanted=True)
    await held.take(said.append)
    assert said == ["No worker runs at http://127.0.0.1:9, so none holds the memory."]
    assert not held.taken


async def test_a_worker_that_died_asleep_need_not_be_woken_up(tmp_path: Path) -> None:
    said: list[str] = []
    async with stand_in_worker() as worker:
        held = of(worker, tmp_path)
        await held.take(lambda _: None)
    await held.give_back(said.append)
    assert said == ["The worker does not run any more."]
    assert not held.taken


async def test_waking_up_goes_on_beside_the_rest_until_the_next_job_needs_the_memory(tmp_path: Path) -> None:
    async with stand_in_worker() as worker:
        held = of(worker, tmp_path)
        await held.take(lambda _: None)
        worker.answers = [503] * 10_000
        await held.give_back(seconds=0.05)
        assert held.taken
        worker.answers = []
        async with asyncio.timeout(5):
            while held.taken:
                await asyncio.sleep(0.01)
        await held.take(lambda _: None)
        worker.answers = [503] * 10_000
        await held.give_back(seconds=0.05)
        await held.close()
        worker.answers = []
        await held.take(lambda _: None)
        await asyncio.sleep(0.05)
    assert worker.calls == ["sleep", "wake_up", "sleep", "sleep"]

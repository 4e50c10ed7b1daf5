"""The worker that the bot starts by itself: a real process, watched over."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bot.local_worker import WorkerCannotStart, local_worker
from bot.worker_client import OpenAIWorker, open_client


async def test_it_serves_the_bot_and_nobody_without_its_token() -> None:
    async with local_worker("fake") as worker:
        async with asyncio.timeout(60):
            await worker.wait_ready()
        async with open_client(worker.url, worker.token) as client:
            assert (await OpenAIWorker(client).describe()).model == "fake"
        async with open_client(worker.url, "somebody else's") as client:
            with pytest.raises(Exception, match="401"):
                await OpenAIWorker(client).describe()
        pid = worker.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_is_killed_is_started_again_at_the_same_address() -> None:
    async with local_worker("fake") as worker:
        async with asyncio.timeout(60):
            await worker.wait_ready()
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(60), open_client(worker.url, worker.token) as client:
            while worker.pid in (None, first):
                await asyncio.sleep(0.05)
            while True:
                try:
                    await OpenAIWorker(client).describe()
                    break
                except Exception:
                    await asyncio.sleep(0.1)


async def test_one_that_cannot_run_here_is_not_started_again_and_again() -> None:
    async with local_worker("no-such-preset") as worker:
        with pytest.raises(WorkerCannotStart):
            async with asyncio.timeout(60):
                await worker.wait_ready()

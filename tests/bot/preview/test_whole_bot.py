"""`python -m bot preview` as a person meets it: the real bot in a real browser, with scripted text from a worker."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from model.engine.fake import FakeEngine
from tests.browser import Chromium, Page
from tests.model.worker.conftest import Running, fake_model, listening

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
COMPOSER = "#channel-composer-input"
STORY = " ".join(f"Sentence number {n} of a story." for n in range(30))
PATIENCE = 40.0


@asynccontextmanager
async def preview(
    worker: Running, folder: Path, *, port: int
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The preview as its own process; its address, and the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "preview", "--state", str(folder), "--port", str(port),
        cwd=folder.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WORKER_URL": f"{worker.url}/v1",
            "WIKIPEDIA_URL": "http://127.0.0.1:9/{code}",
            "THREAD_TITLES": "false",
            "GREET_SERVERS": "false",
            "COLUMNS": "200",
        },
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    try:
        async with asyncio.timeout(60):
            while (found := re.search(r"http://127\.0\.0\.1:\d+/#[\w-]+", said)) is None:
                line = (await process.stderr.readline()).decode()
                assert line, f"it ended: {said}"
                said += line
        drain = asyncio.create_task(process.stderr.read())
        yield found.group(), process
        await drain
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def compose(page: Page, text: str) -> None:
    """Type into the message box."""
    await page.focus(COMPOSER)
    await page.type(text)


async def start_story(page: Page, prompt: str) -> None:
    await page.find(".place", PATIENCE)
    await compose(page, "/story start")
    await page.see("/story start", within="[role=option]", patience=PATIENCE)
    await page.press("Enter")
    await page.fill("input[data-option=prompt]", prompt)
    await page.press("Enter")


async def test_a_story_from_the_first_command_to_the_look_up_and_the_buttons(
    chromium: Chromium, tmp_path: Path, unused_tcp_port: int
) -> None:
    engine = FakeEngine(
        replies=[f"{STORY}\n\n>>> Pride and Prejudice\n>>> en", "As in the novel.", "Another way."],
        tokens_per_second=60,
    )
    async with (
        listening([fake_model(engine)]) as worker,
        preview(worker, tmp_path / "state", port=unused_tcp_port) as (url, process),
    ):
        page = await chromium.open(url)
        await start_story(page, "What if Mary said yes?")
        await page.see("What if Mary said yes?", within="#channel-name", patience=PATIENCE)
        await page.see("Sentence number 3", patience=PATIENCE)
        assert "Sentence number 29" not in await page.read("body"), "it streams"
        await page.see("Sentence number 29", patience=PATIENCE)
        await page.see("bundled notes", patience=PATIENCE)
        assert ">>>" not in await page.read("body")
        await compose(page, "five beats please")
        await page.press("Enter")
        await page.see("As in the novel.", patience=PATIENCE)
        await page.until(
            "[...document.querySelectorAll('button')].some(b => b.innerText.includes('Again'))", PATIENCE
        )
        await page.click(".channel-message:last-child button", "Again")
        await page.see("Another way.", patience=PATIENCE)
        assert page.errors == []
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await process.wait() == 0, "Ctrl-C stops it cleanly"


async def test_killed_in_the_middle_of_an_answer_it_goes_on_with_it(
    chromium: Chromium, tmp_path: Path, unused_tcp_port: int
) -> None:
    engine = FakeEngine(replies=[STORY, STORY], tokens_per_second=40)
    async with listening([fake_model(engine)]) as worker:
        async with preview(worker, tmp_path / "state", port=unused_tcp_port) as (url, process):
            page = await chromium.open(url)
            await start_story(page, "A long one")
            await page.see("Sentence number 5", patience=PATIENCE)
            await asyncio.sleep(1.5)  # the simulated Discord is saved about once a second
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        engine.tokens_per_second = None
        async with preview(worker, tmp_path / "state", port=unused_tcp_port) as (again, process):
            assert again == url, "the page of before finds it again"
            await page.goto(again)
            await page.find(".place", PATIENCE)
            await page.click(".place", "A long one")
            await page.see("Sentence number 29", patience=PATIENCE)
            assert (await page.read("#channel-message-list")).count("Sentence number 0") == 1
            assert engine.requests[-1].continues
            process.send_signal(signal.SIGTERM)
            await process.wait()

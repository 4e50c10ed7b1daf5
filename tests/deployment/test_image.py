"""The bot's image, its steps played in a folder: it starts as its user, connects, is healthy, and ends in order."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.image import Image
from tests.discord_server import DiscordServer

pytestmark = pytest.mark.long

LARGEST = 250e6
"""Bytes beside the base image. An image with PyTorch has a thousand and more."""


def version(python: Path) -> tuple[int, int]:
    """Of this interpreter."""
    said = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True
    )
    major, minor = map(int, said.stdout.split())
    return major, minor


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not pytest's own folder, which the image's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="fanfabler-image-"))
    folder.chmod(0o755)
    system = Path("/usr/bin/python3")
    usable = system.exists() and (3, 11) <= version(system) < (3, 14)
    found = Image("bot", folder, python=str(system) if usable else sys.executable)
    found.build()
    yield found
    shutil.rmtree(folder)


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and all words of a process that ends by itself."""
    words, errors = process.communicate(timeout=120)
    return process.returncode, words + errors


@pytest.mark.timeout(900)
def test_it_is_small(image: Image) -> None:
    assert image.size() < LARGEST
    packages = image.folder / "opt/fanfabler/lib"
    assert [name for name in ("torch", "transformers", "training") if list(packages.rglob(name))] == []


def test_without_a_token_it_ends_and_says_what_is_missing(image: Image) -> None:
    status, words = said(image.start())
    assert status == 2
    assert "DISCORD_TOKEN" in words


def test_the_doctor_looks_at_it(image: Image) -> None:
    looking = image.start(["doctor", "--json"], WIKIPEDIA_URL="http://127.0.0.1:9/{code}")
    findings, _ = looking.communicate(timeout=120)
    assert looking.returncode == 1
    assert {"discord token", "database"} <= {finding["part"].lower() for finding in json.loads(findings)}


def test_a_bot_that_is_not_there_is_not_healthy(image: Image) -> None:
    healthy, words = image.healthy()
    assert not healthy
    assert words.strip()


@pytest.mark.timeout(900)
async def test_it_connects_is_healthy_and_ends_in_order(image: Image) -> None:
    async with DiscordServer() as discord:
        bot = image.start(
            DISCORD_TOKEN=discord.bot_token,
            DISCORD_API_BASE=discord.api_base,
            DISCORD_GATEWAY_URL=discord.gateway_url,
            WORKER_URL="http://127.0.0.1:9/v1",
        )
        try:
            async with asyncio.timeout(300):
                while not (await asyncio.to_thread(image.healthy))[0]:
                    assert bot.poll() is None, bot.communicate()
                    await asyncio.sleep(0.2)
            database = image.folder / "data" / "fanfabler.db"
            if os.geteuid() == 0:
                assert database.stat().st_uid == image.user == 10001
                assert Path(f"/proc/{bot.pid}").stat().st_uid == 10001
        finally:
            bot.send_signal(signal.SIGTERM)
        status, words = await asyncio.to_thread(said, bot)
    assert status == 0, words
    logged = [json.loads(line) for line in words.splitlines() if line.startswith("{")]
    assert {"time", "level", "message"} <= logged[0].keys()

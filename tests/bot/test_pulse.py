"""Signs of life: fresh while the bot serves, gone or old where it does not, and what systemd is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.life_sign import STALE_SECONDS, health
from bot.running import run
from bot.settings import Settings
from model.engine.fake import FakeEngine
from tests.databases import sqlite_url
from tests.discord_server import DiscordServer
from tests.model.worker.conftest import fake_model, listening


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_bot_that_serves_shows_it_and_stops_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run" / "pulse"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with DiscordServer() as discord, listening([fake_model(FakeEngine())]) as worker:
            settings = Settings(
                _env_file=None,  # type: ignore[call-arg]
                discord_token=discord.bot_token,  # type: ignore[arg-type]
                discord_api_base=discord.api_base,
                discord_gateway_url=discord.gateway_url,
                database_url=sqlite_url(tmp_path),
                worker_url=f"{worker.url}/v1",
                pulse_file=path,
            )
            running = asyncio.create_task(run(settings))
            await until(lambda: path.exists() or running.done())
            serves, words = health(path)
            assert serves, words
            os.kill(os.getpid(), signal.SIGTERM)
            assert await running == 0
        assert not path.exists()
        assert not health(path)[0]
        told = []
        while True:
            try:
                told += systemd.recv(1024).decode().split("\n")
            except BlockingIOError:
                break
    assert told.count("READY=1") == 1
    assert "STATUS=connected" in told
    assert told[-1] == "STOPPING=1"


def test_an_old_sign_of_life_is_none(tmp_path: Path) -> None:
    path = tmp_path / "pulse"
    path.touch()
    assert health(path)[0]
    long_ago = time.time() - STALE_SECONDS - 5
    os.utime(path, (long_ago, long_ago))
    serves, words = health(path)
    assert not serves
    assert "hangs" in words


def test_without_a_file_it_says_which_setting_is_missing() -> None:
    assert "PULSE_FILE" in health(None)[1]

"""The bot as it is run, a process over real HTTP and WebSocket: measured, followed in its log, backed up meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from pathlib import Path

import aiohttp

from .fanfabler import LONG, Stage

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def metrics(port: int) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200
        return await answer.text()


def value(text: str, series: str) -> float:
    found = re.search(rf"^{series} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_a_running_bot_is_measured_followed_and_backed_up(stage: Stage, tmp_path: Path) -> None:
    port = free_port()
    stage.environment |= {"METRICS_PORT": str(port), "LOG_FORMAT": "json"}
    log = tmp_path / "bot.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env=environment(stage), cwd=ROOT, stderr=errors
        )
        try:
            await stage.discord.wait_for(lambda: stage.discord.gateway.identifies, 60, "the bot")
            stage.engine._scripted.append(LONG)
            thread = await stage.start_story("a long story")
            await stage.discord.wait_for(lambda: stage.own(thread), 30, "some text")
            backup = tmp_path / "backup"
            backing_up = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "db", "backup", str(backup)),
                env=environment(stage),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await backing_up.communicate()
            assert backing_up.returncode == 0
            assert b"1 stories with 2 messages" in said
            assert b"It was read back and is sound." in said
            restoring = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "db", "restore", str(backup), "--force"),
                env=environment(stage),
                cwd=ROOT,
                stderr=asyncio.subprocess.PIPE,
            )
            _, complaint = await restoring.communicate()
            assert restoring.returncode == 1
            assert complaint.startswith(b"A bot runs on the database")
            await stage.finished(thread)
            told = await metrics(port)
        finally:
            process.terminate()
            await process.wait()
    assert backup.stat().st_size > 1000
    assert value(told, r'fanfabler_bot_discord_requests_total\{method="POST",status="200"\}') > 0
    assert value(told, r'fanfabler_bot_discord_requests_total\{method="PATCH",status="200"\}') > 0
    assert value(told, "fanfabler_bot_time_to_first_text_seconds_count") == 1
    assert value(told, "fanfabler_bot_discord_ready") == 1
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (queued,) = [line for line in lines if line["message"].startswith("queued answer-")]
    assert queued["request"].startswith("interaction-")
    (ended,) = [line for line in lines if "ended: complete" in line["message"]]
    assert ended["request"] == queued["message"].removeprefix("queued ") + "-1"


def environment(stage: Stage) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", **stage.environment}

"""`kill -9` at any moment, and the same command again: nothing is paid for twice, no row is lost or doubled.

But for calls that were under way at the kill: those are made again, and counted.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.training.generation.conftest import Command, Serve
from tests.training.generation.stub import Running, Stub
from training.chats import read_chats
from training.generation.journal import read_journal
from training.generation.outcome import Outcome
from training.generation.stages import MODEL_STAGES

ROOT = Path(__file__).parents[3]
OPTIONS = (
    "--languages",
    "fi,ko",
    "--works",
    "4",
    "--chats",
    "2",
    "--price-in",
    "1",
    "--price-out",
    "1",
    "--no-checks",
)
KILLS = 3


def start(out: Path, server: Running) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "training", "generate", "--model", "stub", "--out", str(out), *OPTIONS]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | server.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def counted(out: Path) -> Counter[str]:
    """What the journals say: calls that were answered, lost or never ended, and how many slots have an answer."""
    counts: Counter[str] = Counter()
    for stage in MODEL_STAGES:
        content = read_journal(out / "journal" / f"{stage.value}.jsonl")
        counts["open"] += len(content.open_calls)
        for entry in content.entries.values():
            counts["answered"] += len(entry.replies)
            counts["slots"] += bool(entry.replies)
            counts["lost"] += len(entry.lost)
    return counts


@pytest.mark.long
def test_killed_again_and_again(serve: Serve, generate: Command, tmp_path: Path) -> None:
    chance = random.Random(1)
    stub = Stub(latency=0.03)
    server = serve(stub)
    out = tmp_path / "killed"
    under_way = 0
    for kill in range(KILLS):
        process = start(out, server)
        # Let it do a part of what is left, then kill it in the midst of its calls.
        until = len(stub.bodies) + chance.randint(1, 20)
        while len(stub.bodies) < until and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        assert process.poll() is None, f"it had ended before kill {kill}: {process.stderr.read()!r}"  # type: ignore[union-attr]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = counted(out)
        under_way += before["open"]
        assert before["answered"] == before["slots"]
    last = start(out, server)
    _, errors = last.communicate(timeout=60)
    assert last.returncode == 0, errors

    after = counted(out)
    needed = after["slots"]
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    # Each needed call was paid for once, but for those under way at a kill, which are all accounted for.
    assert after["answered"] == needed == report["total"]["calls"]
    assert after["open"] == 0
    assert report["total"]["lost_calls"] == after["lost"] == under_way
    assert needed <= len(stub.bodies) <= needed + under_way
    repeated = sum(count - 1 for count in Counter(map(json.dumps, stub.bodies)).values())
    assert repeated == len(stub.bodies) - needed
    # Wikipedia: none of the look-ups that had an answer was made again.
    assert len(stub.lookups) <= len(set(stub.lookups)) + KILLS * 3

    chats = [chat for code in ("fi", "ko") for chat in read_chats(out / "chats" / f"{code}.jsonl")]
    assert len(chats) == len({chat.id for chat in chats}) == 16
    assert report["chats"] == 16

    assert generate(*OPTIONS) == 0
    for code in ("fi", "ko"):
        uninterrupted = (tmp_path / "out" / "chats" / f"{code}.jsonl").read_bytes()
        assert (out / "chats" / f"{code}.jsonl").read_bytes() == uninterrupted


def test_a_signal_lets_the_calls_under_way_end(serve: Serve, tmp_path: Path) -> None:
    server = serve(Stub(latency=0.1))
    process = start(tmp_path / "out", server)
    while len(server.stub.bodies) < 20:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == Outcome.INTERRUPTED, errors
    counts = counted(tmp_path / "out")
    assert counts["open"] == counts["lost"] == 0
    assert counts["answered"] == len(server.stub.bodies)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["outcome"] == "interrupted"

"""A few kills and troubles, to see that the tool that finds problems works. The many are `make soak`'s."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import Job, JobStatus, Message, Role
from tests.reliability.__main__ import main
from tests.reliability.verify import problems
from tests.reliability.world import open_world

pytestmark = pytest.mark.long


def test_kills_leave_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "kills.json"
    assert main(["kills", "--count", "2", "--json", str(report), "--keep", str(tmp_path)]) == 0
    assert "| **all** | **2** | **0** |" in capsys.readouterr().out
    cells = json.loads(report.read_text(encoding="utf-8"))["cells"]
    assert sum(cell["times"] for cell in cells.values()) == 2


async def test_what_is_lost_doubled_or_stuck_is_found(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=1, people=1) as world:
        assert await problems(world) == []
        await world.kill("bot")
        await world.members[0].send(world.threads[0], "nobody is there to hear this")
        async with AsyncSession(world.engine) as session:
            await session.execute(
                update(Message).where(Message.role == Role.ASSISTANT).values(content="otherwise")
            )
            await session.execute(update(Job).values(status=JobStatus.QUEUED))
            await session.commit()
        found = "\n".join(await problems(world))
        for what in ("1 jobs are stuck", "nobody has taken", "is not what was written"):
            assert what in found

"""A small version of what `python -m tests.reliability claims` does with ten thousand jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability import claims
from tests.reliability.postgres import programs
from tests.reliability.world import DATABASES

pytestmark = pytest.mark.long


@pytest.mark.parametrize("database", [DATABASES[0], pytest.param(DATABASES[1], marks=pytest.mark.postgres)])
async def test_processes_share_a_queue_and_none_takes_what_another_has(tmp_path: Path, database: str) -> None:
    if database == "postgres" and programs() is None:
        pytest.skip("needs a PostgreSQL server's programs")
    report = await claims.share(tmp_path, jobs=300, processes=3, database=database)
    assert report.problems == []
    assert sum(report.each) == 300
    assert min(report.each) > 0

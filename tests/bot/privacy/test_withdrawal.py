"""Taking the consent to training back."""

from __future__ import annotations

from pathlib import Path

from bot.database.connection import Database
from bot.privacy.deletion_log import DeletionLog
from bot.privacy.service import PrivacyService


async def stop(answer_id: int) -> None:
    """Nothing is being written."""


async def test_a_consent_is_taken_back_though_the_log_cannot_be_written(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "deletions.jsonl"
    privacy = PrivacyService(database, DeletionLog(path), stop=stop)
    await privacy.set_consent(1, given=True)
    path.write_text("nonsense\n")
    await privacy.set_consent(1, given=False)
    assert not await privacy.consent(1)


async def test_a_no_from_the_beginning_is_not_written_into_the_log(
    database: Database, tmp_path: Path
) -> None:
    log = DeletionLog(tmp_path / "deletions.jsonl")
    privacy = PrivacyService(database, log, stop=stop)
    await privacy.set_consent(1, given=False)
    assert await log.entries() == []
    await privacy.set_consent(1, given=True)
    await privacy.set_consent(1, given=False)
    assert [entry.consent for entry in await log.entries()] == [True]

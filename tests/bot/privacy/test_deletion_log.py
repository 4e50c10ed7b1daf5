"""The file that outlives the database: what is in it, and that nothing that was promised gets lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot.database.tables import now
from bot.privacy.deletion_log import DeletionLog, DeletionLogDamaged, log_path
from bot.settings import Settings

ME = 700_000_000_000_000_001


def settings(**values: str) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type, call-arg]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deletions.jsonl"


async def test_a_promise_is_read_back_by_another_process(path: Path) -> None:
    moment = now()
    promised = await DeletionLog(path).promise(ME, moment, posts=True)
    (entry,) = await DeletionLog(path).entries()
    assert entry == promised
    assert (entry.at, entry.posts) == (moment, True)
    subject = await DeletionLog(path).subject(entry)
    assert subject.among([1, ME, ME + 1]) == {ME}


async def test_the_file_names_nobody_and_is_its_owners_alone(path: Path) -> None:
    await DeletionLog(path).promise(ME, now(), posts=False)
    assert str(ME) not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    head, entry = map(json.loads, path.read_text().splitlines())
    assert set(head) == {"format", "version", "key"}
    assert set(entry) == {"id", "member", "at", "posts"}


async def test_a_consent_taken_back_is_no_deletion_for_a_version_that_knows_none(path: Path) -> None:
    noted = await DeletionLog(path).note_withdrawal(ME, now())
    assert await DeletionLog(path).entries() == [noted]
    assert noted.consent
    assert str(ME) not in path.read_text()
    assert "member" not in json.loads(path.read_text().splitlines()[1]), "0.1.0 skips lines without it"


async def test_two_logs_do_not_tell_the_same_of_a_member(tmp_path: Path) -> None:
    entries = [await DeletionLog(tmp_path / name).promise(ME, now(), posts=False) for name in ("a", "b")]
    assert entries[0].digest != entries[1].digest


async def test_before_the_first_deletion_there_is_no_log(path: Path) -> None:
    assert await DeletionLog(path).entries() == []
    assert not path.exists()


async def test_promises_at_the_same_time_all_are_kept(path: Path) -> None:
    logs = [DeletionLog(path) for _ in range(8)]
    await asyncio.gather(*(log.promise(member, now(), posts=False) for member, log in enumerate(logs, 1)))
    entries = await DeletionLog(path).entries()
    found = [(await DeletionLog(path).subject(entry)).among(range(1, 9)) for entry in entries]
    assert sorted(member for ids in found for member in ids) == list(range(1, 9))
    assert [each.name for each in path.parent.iterdir()] == [path.name], "no drafts are left"


async def test_a_line_that_a_power_cut_tore_off_spoils_no_other(path: Path) -> None:
    log = DeletionLog(path)
    first = await log.promise(1, now(), posts=False)
    with path.open("ab") as file:
        file.write(b'{"id": "6f9')
    assert await log.entries() == [first]
    second = await log.promise(2, now(), posts=False)
    assert await log.entries() == [first, second]


async def test_older_lines_may_be_removed(path: Path) -> None:
    log = DeletionLog(path)
    await log.promise(1, now(), posts=False)
    second = await log.promise(2, now(), posts=False)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    assert await log.entries() == [second]


@pytest.mark.parametrize(
    "text", ["", "nonsense\n", '{"format": "other"}\n', '{"format": "fanfabler-deletions"}\n']
)
async def test_what_does_not_begin_as_a_log_is_neither_read_nor_written(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(DeletionLogDamaged):
        await DeletionLog(path).entries()
    with pytest.raises(DeletionLogDamaged):
        await DeletionLog(path).promise(ME, now(), posts=False)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"database_url": "sqlite+aiosqlite:///fanfabler.db"}, "fanfabler-deletions.jsonl"),
        ({"database_url": "sqlite+aiosqlite:////srv/bot/stories.db"}, "/srv/bot/stories-deletions.jsonl"),
        ({"database_url": "sqlite+aiosqlite://"}, "fanfabler-deletions.jsonl"),
        ({"database_url": "postgresql+asyncpg://u@h/db"}, "fanfabler-deletions.jsonl"),
        (
            {"database_url": "postgresql+asyncpg://u@h/db", "deletion_log": "/var/lib/fanfabler/log.jsonl"},
            "/var/lib/fanfabler/log.jsonl",
        ),
    ],
)
def test_the_log_lies_beside_the_sqlite_file_or_where_the_settings_say(
    values: dict[str, str], expected: str
) -> None:
    assert log_path(settings(**values)) == Path(expected)

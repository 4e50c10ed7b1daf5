"""The journal: what is in it stays in it, whatever happens to the process."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from training.generation.errors import JournalDamaged
from training.generation.journal import Journal, PaidReply, Usage, read_journal

WORST = Usage(100, 1000, 0.5)


def reply(text: str = "kyllä") -> PaidReply:
    return PaidReply(text, "stop", "json_schema", Usage(10, 20, 0.01))


async def test_answers_come_back(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.jsonl", "f") as journal:
        for slot in ("fi/01/1", "fi/02/1", "fi/01/1"):
            await journal.answered(journal.sent(slot, WORST), slot, reply(slot))
        await journal.noted("n", {"title": "ä"})
    with Journal(tmp_path / "a.jsonl", "f") as journal:
        assert [each.text for each in journal.get("fi/01/1").replies] == ["fi/01/1", "fi/01/1"]
        assert journal.get("fi/02/1").replies == [reply("fi/02/1")]
        assert journal.get("n").note == {"title": "ä"}
        assert journal.get("fi/03/1").replies == []


async def test_an_answer_is_on_the_disk_when_it_is_given_out_and_many_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (syncs.append(descriptor), real(descriptor)))
    with Journal(tmp_path / "a.jsonl", "f") as journal:
        before = len(syncs)

        async def one(number: int) -> None:
            slot = str(number)
            await journal.answered(journal.sent(slot, WORST), slot, reply())
            assert read_journal(tmp_path / "a.jsonl").entries[slot].replies

        await asyncio.gather(*map(one, range(100)))
        assert 1 <= len(syncs) - before < 20


async def test_a_half_written_last_line_is_cut_off_wherever_it_broke(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path, "f") as journal:
        await journal.answered(journal.sent("1", WORST), "1", reply())
        kept = path.read_bytes()
        await journal.answered(journal.sent("2", WORST), "2", reply("第二"))
    whole = path.read_bytes()
    for length in range(len(kept), len(whole), 5):
        path.write_bytes(whole[:length])
        with Journal(path, "f") as journal:
            assert journal.get("1").replies == [reply()]
            assert journal.get("2").replies == []
            await journal.answered(journal.sent("3", WORST), "3", reply())
        entries = read_journal(path).entries
        assert set(entries) - {"2"} == {"1", "3"}
        sent = length >= whole.index(b"\n", len(kept)) + 1
        assert len(entries["2"].lost if "2" in entries else []) == sent


async def test_a_call_without_an_end_is_lost_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path, "f") as journal:
        journal.sent("1", WORST)
        journal.refused(journal.sent("2", WORST), "2", "429")
    for _ in range(3):
        with Journal(path, "f") as journal:
            assert journal.get("1").lost == [WORST]
            assert journal.get("2").lost == []
    with Journal(path, "f") as journal:
        assert journal.sent("1", WORST) == 3


def test_a_broken_line_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path, "f") as journal:
        journal.sent("1", WORST)
    path.write_bytes(path.read_bytes().replace(b'"sent"', b'"sen') + b'{"event":"begin"}\n')
    with pytest.raises(JournalDamaged, match=r"a\.jsonl:2"):
        Journal(path, "f")


def test_another_fingerprint_begins_another_part(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for fingerprint in ("one", "one", "two"):
        Journal(path, fingerprint).__exit__(None, None, None)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["fingerprint"] for line in lines] == ["one", "two"]


async def test_a_full_disk_is_told_to_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(tmp_path / "a.jsonl", "f") as journal:
        call = journal.sent("1", WORST)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            await journal.answered(call, "1", reply())
        monkeypatch.undo()
        await journal.answered(call, "1", reply())

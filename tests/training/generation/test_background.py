"""Look-ups when Wikipedia fails for a moment, or for long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from model.errors import WikipediaUnavailable
from model.wikipedia import Page
from training.generation.background import OUT_OF_REACH, TRIES, Background
from training.generation.errors import CallFailed
from training.generation.journal import Journal

TERMS = ("Kalevala", "Muumit", "Harry Potter")


class Wikipedia:
    """Answers, but for its first `failing` requests."""

    def __init__(self, failing: int) -> None:
        self.failing = failing
        self.asked = 0

    async def lookup(self, term: str, language: str) -> Page:
        self.asked += 1
        await asyncio.sleep(0.001)
        if self.asked <= self.failing:
            raise WikipediaUnavailable("connection reset")
        return Page(term, language, "A page.", "wikipedia")


async def no_rest(seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_short_blip_costs_no_page(tmp_path: Path) -> None:
    wikipedia = Wikipedia(failing=OUT_OF_REACH)
    with Journal(tmp_path / "background.jsonl", "f") as journal:
        background = Background(journal, wikipedia, no_rest)
        notes = await asyncio.gather(*(background.find(term, "fi") for term in TERMS))
    assert [note.source for note in notes if note] == ["wikipedia"] * 3
    assert not background.out_of_reach


async def test_look_ups_that_fail_one_after_another_give_wikipedia_up(tmp_path: Path) -> None:
    wikipedia = Wikipedia(failing=1000)
    with Journal(tmp_path / "background.jsonl", "f") as journal:
        background = Background(journal, wikipedia, no_rest)
        for number in range(OUT_OF_REACH + 2):
            assert background.out_of_reach == (number >= OUT_OF_REACH)
            with pytest.raises(CallFailed, match="out of reach"):
                await background.find(f"Qwx {number}", "fi")
    assert wikipedia.asked == TRIES * OUT_OF_REACH


async def test_a_note_that_stood_in_is_looked_up_again_by_a_later_run(tmp_path: Path) -> None:
    path = tmp_path / "background.jsonl"
    for wikipedia, source in (
        (Wikipedia(failing=1000), "written"),
        (Wikipedia(failing=0), "wikipedia"),
        (Wikipedia(failing=1000), "wikipedia"),
    ):
        with Journal(path, "f") as journal:
            background = Background(journal, wikipedia, no_rest)
            for _ in range(2):
                note = await background.find("Kalevala", "fi")
                assert note is not None
                assert note.source == source
    assert wikipedia.asked == 0


async def test_a_bundled_note_that_is_all_there_is_stays(tmp_path: Path) -> None:
    path = tmp_path / "background.jsonl"
    with Journal(path, "f") as journal:
        first = await Background(journal, None).find("Kalevala", "fi")
    wikipedia = Wikipedia(failing=0)
    with Journal(path, "f") as journal:
        assert await Background(journal, wikipedia).find("Kalevala", "fi") == first
    assert wikipedia.asked == 0

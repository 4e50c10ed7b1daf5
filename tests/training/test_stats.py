"""Counting the dataset: the numbers, the tables in its card, the plots."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from training.__main__ import main
from training.chats import CHATS, DATA, Chat
from training.errors import DataError
from training.plots import png
from training.stats import Stats, Tokens, count, llama_tokens
from training.stats_plots import draw_all, property_types
from training.stats_tables import tables, write_datasheet
from training.tables import Table


def letters(chat: Chat) -> Tokens:
    """A stand-in for a tokenizer."""
    answers = sum(len(turn.content) for turn in chat.messages[1::2])
    return Tokens(sum(len(turn.content) for turn in chat.messages), answers)


@pytest.fixture(scope="module")
def in_letters() -> Stats:
    return count(DATA, letters)


def test_every_row_is_counted_once(in_letters: Stats) -> None:
    assert in_letters.rows == 800
    assert len(in_letters.languages) == 40
    for counts in in_letters.languages.values():
        assert (counts.rows, sum(counts.splits.values()), sum(counts.tasks.values())) == (20, 20, 20)
        assert (counts.lookups, counts.six_messages) == (16, 3)
    assert sum(local + other for local, other in in_letters.property_types.values()) == 800


def test_percentiles_are_lengths_that_occur(in_letters: Stats) -> None:
    counts = in_letters.languages["sw"]
    assert counts.percentile(0.0) == counts.tokens[0]
    assert counts.percentile(0.5) == counts.tokens[9]
    assert counts.percentile(1.0) == counts.tokens[-1]
    assert counts.longer_than(counts.tokens[16]) == 3


def test_the_card_states_what_is_counted(in_letters: Stats, tmp_path: Path) -> None:
    """Where this fails: `python -m training stats --datasheet`. A few languages stand for all, to be quick."""
    card = (DATA / "README.md").read_text(encoding="utf-8")
    (tmp_path / "chats").mkdir()
    for code in ("en", "hy", "ja", "sw"):
        shutil.copy(CHATS / f"{code}.jsonl", tmp_path / "chats")
    shutil.copy(DATA / "splits.json", tmp_path)
    by_language = tables(count(tmp_path, llama_tokens()))[0].markdown().splitlines()
    for line in by_language[:-1]:
        assert line in card
    for table in tables(in_letters)[1:]:
        assert table.markdown() in card


def test_writing_the_card_changes_nothing_else(in_letters: Stats, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("# Card\n<!-- counts: here -->\nold\n<!-- end of counts -->\nend\n", encoding="utf-8")
    for _ in range(2):
        write_datasheet(in_letters, card)
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# Card\n<!-- counts: here -->\n\n**800 chats")
    assert text.endswith("<!-- end of counts -->\nend\n")
    assert "old" not in text
    card.write_text("nothing", encoding="utf-8")
    with pytest.raises(DataError, match="no place for counts"):
        write_datasheet(in_letters, card)


def test_plots_are_pngs_and_the_same_each_time(in_letters: Stats, tmp_path: Path) -> None:
    paths = draw_all(in_letters, tmp_path)
    names = ["rows", "tokens", "tasks", "property_types"]
    assert [path.name for path in paths] == [f"{name}{look}.png" for name in names for look in ("", "-dark")]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert png(property_types(in_letters)) == paths[-2].read_bytes() != paths[-1].read_bytes()


def test_numbers_are_never_cut_in_a_narrow_terminal(in_letters: Stats) -> None:
    console = Console(file=io.StringIO(), width=100)
    for table in tables(in_letters):
        console.print(table.rich())
    shown = console.file.getvalue()
    assert "…" not in shown
    assert f"{in_letters.tokens:,}" in shown


def test_a_table_in_markdown_and_html() -> None:
    table = Table("A & B", ["name", "rows"], [["a|b", 1200], ["<i>", 3]], totals=1)
    assert table.markdown() == "| name | rows |\n| --- | ---: |\n| a\\|b | 1,200 |\n| <i> | 3 |"
    assert "<caption>A &amp; B</caption>" in table.html()
    assert '<tr class="sum"><td class="" dir="auto">&lt;i&gt;</td>' in table.html()


def test_the_command_counts_a_folder_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chats").mkdir()
    shutil.copy(CHATS / "ja.jsonl", tmp_path / "chats")
    assert main(["stats", "--data", str(tmp_path), "--no-plots"]) == 0
    assert "Japanese" in capsys.readouterr().out


def test_a_folder_without_chats_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--data", str(tmp_path)]) == 2
    assert "has no <code>.jsonl" in capsys.readouterr().err

"""What a chat shows: its lines, and nothing that a terminal would obey."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from model.terminal.screen import PlainScreen, RichScreen, printable
from model.terminal.wrapping import WordWrap
from model.wikipedia import Page


def wrapped(text: str, width: int, step: int = 1) -> str:
    wrap = WordWrap(width)
    pieces = [wrap.feed(text[at : at + step]) for at in range(0, len(text), step)]
    return "".join(pieces) + wrap.finish()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("猫は静かに歩いた", ["猫は静か", "に歩いた"]),
        ("ab 猫猫猫猫", ["ab 猫猫", "猫猫"]),
        ("one\ntwo", ["one", "two"]),
        ("eightish more", ["eightish", "more"]),
    ],
)
def test_lines_are_broken_between_words_and_between_wide_characters(text: str, lines: list[str]):
    assert wrapped(text, 8).split("\n") == lines


@given(st.text(alphabet=st.sampled_from("ab 猫é\n👋"), max_size=80), st.integers(1, 9))
def test_wrapping_loses_nothing_and_does_not_depend_on_the_pieces(text: str, step: int):
    assert wrapped(text, 12, step) == wrapped(text, 12)
    kept = [character for character in wrapped(text, 12) if not character.isspace()]
    assert kept == [character for character in text if not character.isspace()]


@given(st.lists(st.text(alphabet="abcé", min_size=1, max_size=9), max_size=20))
def test_no_line_of_words_that_fit_is_wider_than_the_screen(words: list[str]):
    assert all(cell_len(line.rstrip()) <= 12 for line in wrapped(" ".join(words), 12).split("\n"))


def test_a_word_without_end_is_not_held_back_for_ever():
    assert len(WordWrap(80).feed("ก" * 100)) > 50


def test_control_characters_do_not_reach_the_terminal():
    assert printable("a\x1b[2Jb\x07c\u009bd\r\ne\tf") == "a[2Jbcd\ne\tf"
    assert printable("می\u200cخواهم 👨‍👩‍👧") == "می\u200cخواهم 👨‍👩‍👧"


@pytest.mark.parametrize("evil", ["\x1b]0;owned\x07", "[red]x[/red]", "[/]", "[bold"])
def test_what_others_wrote_is_shown_as_it_is(evil: str):
    out = io.StringIO()
    screen = RichScreen(Console(file=out, width=60))
    screen.write(f"said {evil}")
    screen.end_answer(stopped=False)
    screen.page(Page(f"title {evil}", "en", f"text {evil}", "bundled"))
    screen.note(f"note {evil}")
    screen.error(f"error {evil}")
    screen.rows([(f"row {evil}",)])
    shown = out.getvalue()
    for word in ("said", "title", "text", "note", "error", "row"):
        assert f"{word} {printable(evil)}" in shown
    assert "\x1b]" not in shown


def test_in_a_pipe_answers_and_remarks_go_apart():
    out, aside = io.StringIO(), io.StringIO()
    screen = PlainScreen(out, aside)
    screen.write("an ")
    screen.write("answer")
    screen.end_answer(stopped=False)
    screen.page(Page("Dune", "en", "…", "wikipedia", "https://en.wikipedia.org/wiki/Dune"))
    assert out.getvalue() == "an answer\n"
    assert aside.getvalue() == "Looked up: Dune (en), https://en.wikipedia.org/wiki/Dune, CC BY-SA 4.0\n"

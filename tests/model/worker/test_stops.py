"""Stop strings in a stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.engine.stops import Margins, StopStrings

letters = st.text("ab\n", max_size=30)
stops_lists = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)


def cut_at_the_first(text: str, stops: list[str]) -> str:
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


@given(st.lists(letters, max_size=8), stops_lists)
def test_however_the_text_is_cut_up_what_is_shown_ends_where_the_first_stop_string_begins(
    pieces: list[str], stops: list[str]
):
    watcher = StopStrings(stops)
    shown = "".join(watcher.feed(piece) for piece in pieces)
    if watcher.hit is None:
        shown += watcher.finish()
    whole = "".join(pieces)
    if watcher.hit is None:
        assert shown == whole
        assert not any(stop in whole for stop in stops)
    else:
        # One that ends sooner may win over one that begins sooner but is not complete yet.
        assert whole.startswith(shown + watcher.hit)
        assert not any(stop in shown for stop in stops)
        assert len(shown) >= len(cut_at_the_first(whole, stops))


def test_text_that_cannot_begin_a_stop_string_is_shown_at_once():
    watcher = StopStrings(["\nFan:"])
    assert watcher.feed("Hello\nF") == "Hello"
    assert watcher.feed("abler") == "\nFabler"
    assert watcher.feed("\nFan") == ""
    assert watcher.feed(": hi") == ""
    assert watcher.hit == "\nFan:"


@given(st.lists(st.text("a \n", max_size=6), max_size=8))
def test_a_complete_answer_loses_the_white_space_around_it_however_it_is_cut_up(pieces: list[str]):
    margins = Margins(begun=False)
    shown = "".join(margins.feed(piece) for piece in pieces) + margins.finish(complete=True)
    assert shown == "".join(pieces).strip()


@given(st.lists(st.text("a \n", max_size=6), max_size=8))
def test_an_answer_to_be_gone_on_with_keeps_its_white_space(pieces: list[str]):
    margins = Margins(begun=True)
    assert "".join(margins.feed(piece) for piece in pieces) + margins.finish(complete=False) == "".join(
        pieces
    )

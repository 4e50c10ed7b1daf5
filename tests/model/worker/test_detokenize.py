"""Tokens to text, piece by piece, with real tokenizers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.byte_tokenizer import byte_tokenizer
from model.engine.detokenize import IncrementalDetokenizer
from model.llama_tokenizer import llama_tokenizer

TEXTS = [
    "Once upon a time, in a small house …",
    "한국어로 쓴 이야기입니다. 그리고 猫が歩く。",
    "שלום עולם — مرحبا بالعالم — नमस्ते दुनिया — สวัสดี",
    "A family 👩‍👩‍👧‍👦, a flag 🏴󠁧󠁢󠁷󠁬󠁳󠁿, and ancient 𓀀𓂀 signs.",
    " leading, double  spaces\n\n\tand\r\nlines ",
    "ᚠᛇᚻ᛫ᛒᛦᚦ combining é à ö",
]


@pytest.fixture(scope="module", params=["llama3", "bytes"])
def tokenizer(request):
    return llama_tokenizer() if request.param == "llama3" else byte_tokenizer()


def pieces_of(tokenizer, ids: list[int], prompt: tuple[int, ...] = ()) -> list[str]:
    detokenizer = IncrementalDetokenizer(tokenizer, prompt)
    return [*[detokenizer.feed((token,)) for token in ids], detokenizer.finish()]


@pytest.mark.parametrize("text", TEXTS)
def test_no_piece_has_half_a_character_and_together_they_are_the_text(tokenizer, text: str):
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = pieces_of(tokenizer, ids, tuple(tokenizer.encode("Hi", add_special_tokens=False)))
    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) == text


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back_whole(text: str):
    tokenizer = byte_tokenizer()
    assert "".join(pieces_of(tokenizer, tokenizer.encode(text, add_special_tokens=False))) == text


def test_an_answer_cut_off_in_mid_character_loses_that_character_only():
    tokenizer = byte_tokenizer()
    ids = tokenizer.encode("ab猫", add_special_tokens=False)[:-1]
    assert "".join(pieces_of(tokenizer, ids)) == "ab"


def test_bytes_that_are_no_character_do_not_hold_up_what_follows():
    tokenizer = byte_tokenizer()
    text = "".join(pieces_of(tokenizer, [0xE7] * 20 + tokenizer.encode("ok", add_special_tokens=False)))
    assert text.endswith("ok")


def test_special_tokens_leave_no_text(tokenizer):
    ids = [
        *tokenizer.encode("a", add_special_tokens=False),
        tokenizer.convert_tokens_to_ids("<|start_header_id|>"),
        *tokenizer.encode("b", add_special_tokens=False),
        tokenizer.convert_tokens_to_ids("<|eot_id|>"),
    ]
    assert "".join(pieces_of(tokenizer, ids)) == "ab"


def test_several_tokens_at_once_are_the_same_text(tokenizer):
    ids = tuple(tokenizer.encode("".join(TEXTS), add_special_tokens=False))
    detokenizer = IncrementalDetokenizer(tokenizer, ())
    text = "".join(detokenizer.feed(ids[at : at + 7]) for at in range(0, len(ids), 7)) + detokenizer.finish()
    assert text == "".join(TEXTS)

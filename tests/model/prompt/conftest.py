"""Tokenizers for the prompt's tests: Llama 3's real one, and small stand-ins for Gemma's."""

from __future__ import annotations

from typing import Any

import pytest

from model.gemma_tokenizer import Vocabulary, build
from model.llama_tokenizer import llama_tokenizer

CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>")


@pytest.fixture(scope="session")
def llama() -> Any:
    return llama_tokenizer()


@pytest.fixture(scope="session")
def reference() -> Any:
    """Meta's own `ChatFormat`, on Meta's own tokenizer."""
    from llama_models.llama3.chat_format import ChatFormat
    from llama_models.llama3.tokenizer import Tokenizer

    return ChatFormat(Tokenizer.get_instance())


def small_vocabulary() -> Vocabulary:
    """A SentencePiece vocabulary in Gemma's form: control tokens, bytes, letters, a few words."""
    letters = sorted(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ▁_<>|/.,:?!"))
    joined = ["us", "er", "user", "mo", "de", "mode", "model", "▁a", "st", "of", "tu", "rn"]
    tokens = [*CONTROL, "\n", "\n\n", *(f"<0x{byte:02X}>" for byte in range(256)), *letters, *joined]
    types = [3] * len(CONTROL) + [4] * 2 + [6] * 256 + [1] * (len(letters) + len(joined))
    return Vocabulary(tokens, tuple(float(-number) for number in range(len(tokens))), tuple(types))


def as_fast_tokenizer(tokenizer: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )


@pytest.fixture(scope="session")
def gemma() -> Any:
    return as_fast_tokenizer(build(small_vocabulary()))

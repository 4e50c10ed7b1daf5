"""Gemma's tokenizer, made from the vocabulary in a GGUF file.

transformers makes a unigram model of that vocabulary, which cuts words otherwise than the tokenizer that
Gemma was trained with (`user` becomes two tokens), and takes most of a minute. The vocabulary is
SentencePiece's BPE: of two neighbours that are in it when joined, those with the best score are joined
first. So it is made here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import ModelError

_UNKNOWN = "<unk>"
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
# GGUF's value types: struct format by number; 8 is a string, 9 an array.
# Source: github.com/ggml-org/ggml, docs/gguf.md.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class NotAGguf(ModelError):
    """The file is no GGUF with a SentencePiece vocabulary."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id, with the order in which they join (the highest score first) and GGUF's token types."""

    tokens: list[str]
    scores: tuple[float, ...]
    types: tuple[int, ...]


def gemma_tokenizer(gguf: Path) -> Any:
    """A `PreTrainedTokenizerFast` with the GGUF's ids; turn tokens are special, `<bos>` is added in front.

    Raises `NotAGguf`.
    """
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=build(read_vocabulary(gguf)),
        bos_token="<bos>",  # noqa: S106
        eos_token="<eos>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        unk_token=_UNKNOWN,
        mask_token="<mask>",  # noqa: S106
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def build(vocabulary: Vocabulary) -> Any:
    """The `tokenizers.Tokenizer` of a SentencePiece BPE vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
    from tokenizers.models import BPE

    ids = {token: number for number, token in enumerate(vocabulary.tokens)}
    kinds = list(zip(vocabulary.tokens, vocabulary.types, strict=True))
    merges = list(_merges(vocabulary, ids))
    tokenizer = Tokenizer(BPE(ids, merges, unk_token=_UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    # Nothing joins to one of the 6,242 unused tokens, so they need no entry, which would make loading slow.
    tokenizer.add_special_tokens(
        [
            AddedToken(token, normalized=False, special=True)
            for token, kind in kinds
            if kind == _CONTROL and not token.startswith("<unused")
        ]
    )
    tokenizer.add_tokens(
        [AddedToken(token, normalized=False) for token, kind in kinds if kind == _USER_DEFINED]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", ids["<bos>"])]
    )
    return tokenizer


def _merges(vocabulary: Vocabulary, ids: dict[str, int]) -> Iterator[tuple[str, str]]:
    """The pairs that join, the first to join first; of one token's pairs, that of the lowest ids."""
    joining = [
        (score, token)
        for token, score, kind in zip(vocabulary.tokens, vocabulary.scores, vocabulary.types, strict=True)
        if kind == _NORMAL and len(token) > 1
    ]
    for _, token in sorted(joining, key=lambda pair: -pair[0]):
        halves = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        known = [(left, right) for left, right in halves if left in ids and right in ids]
        yield from sorted(known, key=lambda pair: (ids[pair[0]], ids[pair[1]]))


def read_vocabulary(gguf: Path) -> Vocabulary:
    """The vocabulary in a GGUF's metadata; no tensor is read. Raises `NotAGguf`."""
    wanted = ("tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type")
    found: dict[str, Any] = {}
    try:
        with gguf.open("rb") as file:
            magic, version, _, entries = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF" or version not in {2, 3}:
                raise NotAGguf
            for _ in range(entries):
                key = _string(file).decode()
                found[key] = _value(file, *struct.unpack("<I", file.read(4)))
                if all(name in found for name in wanted):
                    break
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise NotAGguf from error
    if not all(name in found for name in wanted):
        raise NotAGguf
    tokens, scores, types = (found[name] for name in wanted)
    return Vocabulary([token.decode(errors="replace") for token in tokens], scores, types)


def _string(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    return file.read(length)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in _SCALARS:
            layout = f"<{count}{_SCALARS[inner]}"
            return struct.unpack(layout, file.read(struct.calcsize(layout)))
        return [_value(file, inner) for _ in range(count)]
    layout = f"<{_SCALARS[kind]}"
    return struct.unpack(layout, file.read(struct.calcsize(layout)))[0]

"""A prompt for a pretrained model that knows no chat format: a transcript that shows what is wanted.

The transcript begins with an example in the language that the system prompt names, drawn from the shipped
chats (`training/prompt_examples.py` makes `examples/`), and goes on with the conversation. The answer ends
where the model begins the next turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import ClassVar

from model.conversation import ChatMessage, language_of
from model.errors import PromptError
from model.prompt.gemma import PAD
from model.prompt.pieces import Piece, PiecewiseFormat

_USER = "Fan:"
_ASSISTANT = "FanFabler:"
_BREAK = "---\n\n"
_DEFAULT_LANGUAGE = "en"


@cache
def examples(code: str) -> tuple[tuple[ChatMessage, ...], ...]:
    """One or two exchanges in this language; every answer ends with a look-up tag."""
    source = files("model.prompt").joinpath("examples", f"{code}.json").read_text(encoding="utf-8")
    return tuple(map(tuple, json.loads(source)))


@dataclass(frozen=True)
class ByExampleFormat(PiecewiseFormat):
    """Plain text. Of the system text the model sees only the language, in the form of the example."""

    stop_strings: ClassVar[tuple[str, ...]] = (f"\n{_USER}", f"\n{_ASSISTANT}", "\n---")
    name: str = "by-example"
    stop_tokens: tuple[str, ...] = ("<eos>",)
    pad_token: str | None = PAD

    def pieces(
        self, messages: Sequence[ChatMessage], *, open_answer: bool, continue_final: bool = False
    ) -> Iterator[Piece]:
        system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        turns = messages[1:] if messages[0]["role"] == "system" else messages
        language = language_of(system)
        yield Piece("<bos>", special=True)
        for exchange in examples(language.code if language else _DEFAULT_LANGUAGE):
            for message in exchange:
                # The example's answers are nobody's to learn, or to be measured by.
                yield from (replace(piece, answer=False) for piece in _turn(message, last=False))
            yield Piece(_BREAK)
        for index, message in enumerate(turns):
            yield from _turn(message, last=continue_final and index == len(turns) - 1)
        if open_answer:
            yield Piece(_ASSISTANT)


def _turn(message: ChatMessage, *, last: bool) -> Iterator[Piece]:
    speaker = {"user": _USER, "assistant": _ASSISTANT}.get(message["role"])
    if speaker is None:
        raise PromptError(f"a transcript has no role {message['role']!r}")
    content = message["content"].strip() if not last else message["content"].lstrip()
    if message["role"] == "assistant":
        yield Piece(speaker)
        yield Piece(f" {content}", answer=True)
        yield Piece("" if last else "\n\n", answer=True)
    else:
        yield Piece(f"{speaker} {content}\n\n")


BY_EXAMPLE = ByExampleFormat()

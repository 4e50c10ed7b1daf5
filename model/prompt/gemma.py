"""Gemma 3's prompt, as the chat template of its instruction-tuned models builds it.

Source: `chat_template` of google/gemma-3-270m-it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.conversation import ChatMessage
from model.errors import PromptError
from model.prompt.pieces import Piece, PiecewiseFormat

PAD = "<pad>"
_BOS = Piece("<bos>", special=True)
_START = Piece("<start_of_turn>", special=True)


@dataclass(frozen=True)
class GemmaFormat(PiecewiseFormat):
    """Turns of `user` and `model`, in strict alternation; system text heads the first user turn."""

    name: str = "gemma"
    stop_tokens: tuple[str, ...] = ("<end_of_turn>", "<eos>")
    pad_token: str | None = PAD

    def pieces(
        self, messages: Sequence[ChatMessage], *, open_answer: bool, continue_final: bool = False
    ) -> Iterator[Piece]:
        yield _BOS
        prefix = f"{messages[0]['content']}\n\n" if messages[0]["role"] == "system" else ""
        turns = messages[1:] if messages[0]["role"] == "system" else messages
        for index, message in enumerate(turns):
            if message["role"] != ("user", "assistant")[index % 2]:
                raise PromptError("Gemma's turns alternate between user and assistant, the user's first")
            final = continue_final and index == len(turns) - 1
            content = message["content"].lstrip() if final else message["content"].strip()
            yield from _turn(message["role"], f"{prefix if index == 0 else ''}{content}")
            if not final:
                yield Piece("<end_of_turn>", special=True, answer=message["role"] == "assistant")
                yield Piece("\n")
        if open_answer:
            yield from _turn("assistant", "")


def _turn(role: str, content: str) -> Iterator[Piece]:
    yield _START
    if role == "assistant":
        yield Piece("model\n")
        yield Piece(content, answer=True)
    else:
        yield Piece(f"user\n{content}")


GEMMA = GemmaFormat()

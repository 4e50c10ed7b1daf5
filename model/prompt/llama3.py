"""Llama 3's prompt, as Meta's `ChatFormat` builds it, and the forms of it that others trained with.

Source: github.com/meta-llama/llama-models, `llama3/chat_format.py` and the prompt format pages of 3 and 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.conversation import ChatMessage, split_user_turn
from model.errors import PromptError
from model.prompt.pieces import Piece, PiecewiseFormat

BEGIN_OF_TEXT = Piece("<|begin_of_text|>", special=True)
_START_HEADER = Piece("<|start_header_id|>", special=True)
_END_HEADER = Piece("<|end_header_id|>", special=True)


@dataclass(frozen=True)
class Llama3Format(PiecewiseFormat):
    """Headers, content and an end token per message.

    `after_header` stands between header and content, `end` closes every message and `end_of_chat`, where it
    is given, comes after the last one of a training text. `roles` maps the roles that are allowed to header
    names.
    """

    name: str
    stop_tokens: tuple[str, ...]
    roles: tuple[tuple[str, str], ...] = (("system", "system"), ("user", "user"), ("assistant", "assistant"))
    after_header: str = "\n\n"
    end: str = "<|eot_id|>"
    end_of_chat: str | None = None
    pad_token: str | None = None

    def pieces(
        self, messages: Sequence[ChatMessage], *, open_answer: bool, continue_final: bool = False
    ) -> Iterator[Piece]:
        yield BEGIN_OF_TEXT
        for index, message in enumerate(messages):
            answer = message["role"] == "assistant"
            yield from self._header(message["role"])
            yield Piece(message["content"], answer=answer)
            if not (continue_final and index == len(messages) - 1):
                yield Piece(self.end, special=True, answer=answer)
        if open_answer:
            yield from self._header("assistant")
        elif self.end_of_chat and not continue_final:
            yield Piece(self.end_of_chat, special=True, answer=messages[-1]["role"] == "assistant")

    def _header(self, role: str) -> Iterator[Piece]:
        name = dict(self.roles).get(role)
        if name is None:
            raise PromptError(f"{self.name} has no role {role!r}")
        yield _START_HEADER
        yield Piece(name)
        yield _END_HEADER
        yield Piece(self.after_header)


@dataclass(frozen=True)
class ArticleFormat(PiecewiseFormat):
    """The inference prompt of the published article, mistakes included, for the adapter published with it.

    Every message is closed by the next one's `<|begin_of_text|>` where `<|eot_id|>` belongs, one line break
    follows a header, and notes are a user turn of their own, so that two stand in a row.
    """

    name: str = "article"
    stop_tokens: tuple[str, ...] = ("<|eot_id|>", "<|end_of_text|>")
    pad_token: str | None = None

    def pieces(
        self, messages: Sequence[ChatMessage], *, open_answer: bool, continue_final: bool = False
    ) -> Iterator[Piece]:
        for message in messages:
            for content in _article_contents(message):
                yield from _article_header(message["role"])
                yield Piece(content, answer=message["role"] == "assistant")
        if open_answer:
            yield from _article_header("assistant")
        elif not continue_final:
            yield Piece("<|eot_id|>", special=True, answer=messages[-1]["role"] == "assistant")


def _article_contents(message: ChatMessage) -> list[str]:
    if message["role"] != "user":
        return [message["content"]]
    notes, text = split_user_turn(message["content"])
    return [notes, text] if notes else [text]


def _article_header(role: str) -> Iterator[Piece]:
    yield from (BEGIN_OF_TEXT, _START_HEADER, Piece(role), _END_HEADER, Piece("\n"))


LLAMA3 = Llama3Format(name="llama3", stop_tokens=("<|eot_id|>", "<|end_of_text|>"))

_ROLES_31 = (*LLAMA3.roles, ("tool", "ipython"), ("ipython", "ipython"))
_PAD_31 = "<|finetune_right_pad_id|>"
_STOPS_31 = ("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>")

LLAMA31 = Llama3Format(name="llama3.1", stop_tokens=_STOPS_31, roles=_ROLES_31, pad_token=_PAD_31)

# The training form of a guide to fine-tuning 3.1: one line break after headers, two end tokens after the
# last answer.
LLAMA31_GUIDE = Llama3Format(
    name="llama3.1-guide",
    stop_tokens=_STOPS_31,
    roles=_ROLES_31,
    after_header="\n",
    end_of_chat="<|end_of_text|>",
    pad_token=_PAD_31,
)

ARTICLE = ArticleFormat()

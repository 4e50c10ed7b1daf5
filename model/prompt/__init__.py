"""Every prompt, for training and for serving alike: from messages to token ids.

`FORMATS` has the named formats, `chat_template` the Jinja form of those that other servers are to follow.
What the messages say is `model.conversation`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Protocol

from model.conversation import ChatMessage
from model.errors import UnknownPromptFormat
from model.prompt.by_example import BY_EXAMPLE
from model.prompt.gemma import GEMMA
from model.prompt.llama3 import ARTICLE, LLAMA3, LLAMA31, LLAMA31_GUIDE
from model.prompt.pieces import PiecewiseFormat, Tokenizer, TrainingTokens

__all__ = [
    "FORMATS",
    "TEMPLATES",
    "PromptFormat",
    "Tokenizer",
    "TrainingTokens",
    "chat_template",
    "find_format",
]


class PromptFormat(Protocol):
    """One way of turning messages into token ids, and of knowing where an answer ends."""

    @property
    def name(self) -> str: ...

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Text that ends an answer and is no part of it, beside the stop tokens."""

    @property
    def pad_token(self) -> str | None:
        """The token that fills up batches; None where the tokenizer's own choice is as good."""

    def render(
        self, messages: Sequence[ChatMessage], tokenizer: Tokenizer, *, continue_final: bool = False
    ) -> list[int]:
        """The prompt for the next answer; with `continue_final`, for the rest of the last message.

        `tokenizer` is a Hugging Face fast one. No text of a message becomes a special token. Raises
        `PromptError` for messages that the format cannot express.
        """

    def render_training(self, messages: Sequence[ChatMessage], tokenizer: Tokenizer) -> TrainingTokens:
        """The whole chat, with the tokens marked that a model is to learn to write. Raises `PromptError`."""

    def stop_token_ids(self, tokenizer: Tokenizer) -> list[int]:
        """The tokens that end an answer."""


_ALL: tuple[PiecewiseFormat, ...] = (LLAMA3, LLAMA31, LLAMA31_GUIDE, ARTICLE, GEMMA, BY_EXAMPLE)

FORMATS: Mapping[str, PromptFormat] = MappingProxyType({each.name: each for each in _ALL})
"""Name → format."""

TEMPLATES = ("llama3", "llama3.1", "llama3.1-guide", "gemma")
"""The formats that have a chat template."""


def find_format(name: str) -> PromptFormat:
    """The format of this name. Raises `UnknownPromptFormat`."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UnknownPromptFormat(f"no prompt format {name!r}; there are {', '.join(FORMATS)}") from None


def chat_template(name: str) -> str:
    """The Jinja text of a format, to ship beside an adapter. Raises `UnknownPromptFormat`."""
    if name not in TEMPLATES:
        raise UnknownPromptFormat(f"no chat template {name!r}; there are {', '.join(TEMPLATES)}")
    return files("model.prompt").joinpath("templates", f"{name}.jinja").read_text(encoding="utf-8")

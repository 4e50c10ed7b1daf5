"""What prompts are made of, and how it becomes tokens.

A format turns messages into pieces: special tokens by name, and text. Text is encoded so that nothing in it
becomes a special token, whatever people, attachments or Wikipedia wrote. Every format goes through here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

from model.conversation import ChatMessage
from model.errors import PromptError


class Tokenizer(Protocol):
    """As much of a Hugging Face fast tokenizer as prompts need."""

    @property
    def added_tokens_decoder(self) -> dict[int, Any]: ...

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> list[int]: ...

    def convert_tokens_to_ids(self, tokens: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or the name of one special token; `answer` marks what a model is trained to write."""

    text: str
    special: bool = False
    answer: bool = False


@dataclass(frozen=True, slots=True)
class TrainingTokens:
    """A chat for training: token ids, and for each whether it belongs to an answer, end token included."""

    ids: list[int]
    answer: list[bool]


class PiecewiseFormat(ABC):
    """A prompt format, given the pieces of a chat."""

    name: str
    stop_tokens: tuple[str, ...]
    stop_strings: ClassVar[tuple[str, ...]] = ()
    pad_token: str | None = None

    @abstractmethod
    def pieces(
        self, messages: Sequence[ChatMessage], *, open_answer: bool, continue_final: bool = False
    ) -> Iterator[Piece]:
        """The pieces; `open_answer` begins an answer after them, `continue_final` leaves the last open."""

    def render(
        self, messages: Sequence[ChatMessage], tokenizer: Tokenizer, *, continue_final: bool = False
    ) -> list[int]:
        """The prompt for the next answer, or for the rest of the last message. Raises `PromptError`."""
        check(messages, continue_final=continue_final)
        pieces = self.pieces(messages, open_answer=not continue_final, continue_final=continue_final)
        return [token for piece in pieces for token in encode(piece, tokenizer)]

    def render_training(self, messages: Sequence[ChatMessage], tokenizer: Tokenizer) -> TrainingTokens:
        """A whole chat with its answers marked. Raises `PromptError`."""
        check(messages)
        ids: list[int] = []
        answer: list[bool] = []
        for piece in self.pieces(messages, open_answer=False):
            tokens = encode(piece, tokenizer)
            ids += tokens
            answer += [piece.answer] * len(tokens)
        return TrainingTokens(ids, answer)

    def stop_token_ids(self, tokenizer: Tokenizer) -> list[int]:
        """The tokens that end an answer."""
        return [special_id(token, tokenizer) for token in self.stop_tokens]


def check(messages: Sequence[ChatMessage], *, continue_final: bool = False) -> None:
    """Raises `PromptError` for no messages at all, and where there is no last answer to continue."""
    if not messages:
        raise PromptError("a prompt needs at least one message")
    if continue_final and messages[-1]["role"] != "assistant":
        raise PromptError("only an assistant message can be continued")


def encode(piece: Piece, tokenizer: Tokenizer) -> list[int]:
    """The tokens of a piece."""
    return [special_id(piece.text, tokenizer)] if piece.special else encode_text(piece.text, tokenizer)


def encode_text(text: str, tokenizer: Tokenizer) -> list[int]:
    """Tokens of text from anywhere, none of them special."""
    specials = _special_tokens(tokenizer)
    # Headers and line breaks come again and again, and a call into the tokenizer costs more than they do.
    known = specials.short_texts.get(text)
    if known is None:
        known = _encode(text, tokenizer, specials)
        if len(text) < _SHORT and len(specials.short_texts) < _SHORT_TEXTS:
            specials.short_texts[text] = known
    return list(known)


def _encode(text: str, tokenizer: Tokenizer, specials: _SpecialTokens) -> list[int]:
    if not text:
        return []
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    if specials.ids.isdisjoint(ids):
        return ids
    # A tokenizer whose vocabulary has its special tokens among the ordinary ones finds them in spite of
    # `split_special_tokens`: it gets the text with every one of them cut in two.
    ids = [
        token
        for part in specials.cut(text)
        for token in tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)
    ]
    if not specials.ids.isdisjoint(ids):
        raise PromptError("text could not be encoded without special tokens")
    return ids


def special_id(token: str, tokenizer: Tokenizer) -> int:
    """The id of a special token. Raises `PromptError` where the tokenizer does not know it."""
    found = _special_tokens(tokenizer).by_name.get(token)
    if found is None:
        raise PromptError(f"this tokenizer has no token {token}")
    return found


_SHORT, _SHORT_TEXTS = 16, 256

# Special tokens that a vocabulary may have without declaring them so.
_UNDECLARED = (
    "<bos>",
    "<eos>",
    "<pad>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
)


class _SpecialTokens:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.by_name = {
            str(token): number
            for number, token in tokenizer.added_tokens_decoder.items()
            if getattr(token, "special", True)
        }
        unknown = tokenizer.convert_tokens_to_ids("<no such token>")
        for token in _UNDECLARED:
            number = tokenizer.convert_tokens_to_ids(token)
            if isinstance(number, int) and number != unknown:
                self.by_name.setdefault(token, number)
        self.ids = frozenset(self.by_name.values())
        self.short_texts: dict[str, list[int]] = {}
        longest_first = sorted(self.by_name, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def cut(self, text: str) -> Iterable[str]:
        """The text in parts, none of which contains a special token's name."""
        begin = at = 0
        while match := self._pattern.search(text, at):
            yield text[begin : match.start() + 1]
            begin = at = match.start() + 1
        if begin < len(text):
            yield text[begin:]


_specials: WeakKeyDictionary[Tokenizer, _SpecialTokens] = WeakKeyDictionary()


def _special_tokens(tokenizer: Tokenizer) -> _SpecialTokens:
    found = _specials.get(tokenizer)
    if found is None:
        found = _specials[tokenizer] = _SpecialTokens(tokenizer)
    return found

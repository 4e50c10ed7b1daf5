"""The prompt format and the tokenizer of a model, behind the one seam that the server knows."""

from __future__ import annotations

from typing import Any, cast

from model.conversation import ChatMessage
from model.engine.base import Detokenizer
from model.engine.detokenize import IncrementalDetokenizer
from model.prompt import find_format
from model.prompt.pieces import encode_text


class PromptCodec:
    """A `ChatCodec` of a named prompt format and a Hugging Face fast tokenizer."""

    def __init__(self, prompt_format: str, tokenizer: Any) -> None:
        """Raises `UnknownPromptFormat`."""
        self._format = find_format(prompt_format)
        self._tokenizer = tokenizer
        self.prompt_format = self._format.name
        self.transcript = bool(self._format.stop_strings)
        self._stop_token_ids = frozenset(self._format.stop_token_ids(tokenizer))

    def encode_chat(
        self, messages: tuple[tuple[str, str], ...], *, continue_final: bool = False
    ) -> list[int]:
        chat = [cast("ChatMessage", {"role": role, "content": content}) for role, content in messages]
        return self._format.render(chat, self._tokenizer, continue_final=continue_final)

    def encode_text(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        ids = encode_text(text, self._tokenizer)
        begin = self._tokenizer.bos_token_id
        return [begin, *ids] if add_special_tokens and begin is not None else ids

    def token_text(self, token_id: int) -> str:
        text: str = self._tokenizer.decode([token_id])
        return text

    def detokenizer(self, prompt_ids: tuple[int, ...]) -> Detokenizer:
        return IncrementalDetokenizer(self._tokenizer, prompt_ids)

    def stop_token_ids(self) -> frozenset[int]:
        return self._stop_token_ids

    def stop_strings(self, messages: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
        return self._format.stop_strings


def line_breaks(tokenizer: Any) -> frozenset[int]:
    """The tokens that are one line break or several, and nothing else."""
    found = {token for count in range(1, 33) for token in encode_text("\n" * count, tokenizer)}
    return frozenset(token for token in found if not tokenizer.decode([token]).strip("\n"))

"""From tokens back to text, as they come: never half a character, and the same text as decoding all at
once."""

from __future__ import annotations

from typing import Any

_REPLACEMENT = "\ufffd"
_CONTEXT = 6
"""Tokens of the prompt that are decoded along, since some tokenizers write a token otherwise at the
beginning."""
_PATIENCE = 8
"""Tokens that a character may take. It has four bytes at most, so what is still broken then is no
character."""


class IncrementalDetokenizer:
    """Decodes one answer with a Hugging Face tokenizer; special tokens leave no text.

    Bytes that do not make up a character yet are held back. Bytes that never will, since the model wrote no
    valid UTF-8, become replacement characters once that is certain, and nothing at the very end.
    """

    def __init__(self, tokenizer: Any, prompt_ids: tuple[int, ...]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(prompt_ids[-_CONTEXT:])
        self._begin = 0
        self._shown = len(self._ids)

    def feed(self, token_ids: tuple[int, ...]) -> str:
        self._ids += token_ids
        text, shown = self._decode(), self._decode(self._shown)
        if text.endswith(_REPLACEMENT) and len(self._ids) - self._shown < _PATIENCE:
            return ""
        self._begin, self._shown = self._shown, len(self._ids)
        if self._begin == self._shown:
            return ""
        return text[len(shown) :]

    def finish(self) -> str:
        text = self._decode()[len(self._decode(self._shown)) :]
        self._begin = self._shown = len(self._ids)
        return text.rstrip(_REPLACEMENT)

    def _decode(self, end: int | None = None) -> str:
        text: str = self._tokenizer.decode(self._ids[self._begin : end], skip_special_tokens=True)
        return text

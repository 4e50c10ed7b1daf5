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
        # What lies under a fast tokenizer decodes the same text, without looking at what it is given each time.
        self._tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
        self._ids = list(prompt_ids[-_CONTEXT:])
        self._begin = 0
        self._whole = len(self._ids)
        """Up to here the tokens make up whole characters, and are shown."""
        self._shown = len(self._decode())
        """Characters of the text from `_begin` on that are shown."""
        self._held = 0

    def feed(self, token_ids: tuple[int, ...]) -> str:
        return "".join([self._feed(token_id) for token_id in token_ids])

    def finish(self) -> str:
        rest = self._decode()[self._shown :]
        self._shown += len(rest)
        return rest.rstrip(_REPLACEMENT)

    def _feed(self, token_id: int) -> str:
        self._ids.append(token_id)
        self._held += 1
        text = self._decode()
        certain = text.rstrip(_REPLACEMENT)
        if len(certain) == len(text) or self._held >= _PATIENCE:
            new = text[self._shown :]
            self._begin, self._whole, self._held = self._whole, len(self._ids), 0
            self._shown = len(self._decode())
            return new
        new = certain[self._shown :]
        if new:
            self._shown, self._held = len(certain), 0
        return new

    def _decode(self) -> str:
        text: str = self._tokenizer.decode(self._ids[self._begin :], skip_special_tokens=True)
        return text

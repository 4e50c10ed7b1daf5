"""How many tokens a language takes: a table measured on the shipped chats, `tokens_per_character.yaml`.

`python -m training.generation.tokens` measures it again, with Llama 3's tokenizer (extra `llama-tokenizer`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

_TABLE = "tokens_per_character.yaml"
_HEAD = """\
# Llama 3's tokens per character of the shipped chats, by language. Made by `python -m training.generation.tokens`.
"""


@cache
def tokens_per_character() -> Mapping[str, float]:
    """Language → tokens per character."""
    text = files("training.generation").joinpath(_TABLE).read_text(encoding="utf-8")
    table: Mapping[str, float] = yaml.safe_load(text)
    return table


def measure(tokenizer: Any) -> dict[str, float]:
    """The table by a fast tokenizer of transformers."""
    from training.chats import CHATS, read_folder

    table = {}
    for code, chats in read_folder(CHATS).items():
        texts = [turn.content for chat in chats for turn in chat.messages]
        texts += [note.text for chat in chats for note in chat.background]
        tokens = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
        table[code] = round(tokens / sum(map(len, texts)), 3)
    return table


def main() -> None:
    """Measure, and write the table."""
    from model.llama_tokenizer import llama_tokenizer

    table = measure(llama_tokenizer())
    path = Path(__file__).with_name(_TABLE)
    path.write_text(
        _HEAD + "".join(f"'{code}': {ratio}\n" for code, ratio in table.items()), encoding="utf-8"
    )


if __name__ == "__main__":
    main()

"""Draws the examples of `model/prompt/examples/` from the chats that are trained on: `python -m
training.prompt_examples`. Those that are held out must not be shown to a model that is measured on them.

A pretrained model is shown how a chat goes by one or two short exchanges in the language, each with a look-up tag.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model.conversation import ChatMessage, estimate_tokens
from model.languages import LANGUAGES

TRAIN = Path(__file__).parent / "data" / "splits" / "train.jsonl"
EXAMPLES = Path(__file__).parents[1] / "model" / "prompt" / "examples"

MAX_ESTIMATE = 900
"""A second exchange is added where both together are estimated at no more tokens; about half are real ones."""


def examples_of(chats: list[dict[str, Any]]) -> list[list[ChatMessage]]:
    """The shortest first question and answer with a look-up, and the next shortest of another kind of task."""
    asking = sorted((chat for chat in chats if chat["lookup"]), key=_length)
    first = asking[0]
    second = next(chat for chat in asking if chat["task"] != first["task"])
    both = _length(first) + _length(second) <= MAX_ESTIMATE
    return [chat["messages"][:2] for chat in ((first, second) if both else (first,))]


def _length(chat: dict[str, Any]) -> int:
    return sum(estimate_tokens(message["content"]) for message in chat["messages"][:2])


def examples_file(code: str) -> str:
    """The text of `examples/<code>.json`."""
    chats = map(json.loads, TRAIN.read_text(encoding="utf-8").splitlines())
    own = [chat for chat in chats if chat["language"] == code]
    return json.dumps(examples_of(own), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the examples of all forty languages."""
    EXAMPLES.mkdir(exist_ok=True)
    for code in LANGUAGES:
        (EXAMPLES / f"{code}.json").write_text(examples_file(code), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Rated answers: the data of the second stage (KTO), one JSON object a line.

A row is a chat as `training.chats.Chat` has it, with one field more:

    {"id": …, "language": …, "property": …, "task": …, "messages": […], "lookup": …, "background": […],
     "rating": 1}

The rating, 1 for 👍 and -1 for 👎, is of the chat's last message; what stands before it is what the model was
shown. Rows need no partner: an answer that was liked and one that was not may be from different chats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from model.conversation import build, system_prompt
from model.languages import LANGUAGES
from model.prompt import PromptFormat, find_format
from training.chats import Chat, as_turns, explain, later_turns
from training.errors import DataError, MalformedRow, MissingData
from training.finetuning.examples import Counts
from training.finetuning.recipe import Recipe


class RatedChat(Chat):
    """A chat whose last answer a member rated."""

    rating: Literal[1, -1]


@dataclass(frozen=True, slots=True)
class RatedExample:
    """A rated answer as the model sees it: the prompt of serving, and the answer with its end token."""

    prompt: list[int]
    answer: list[int]
    liked: bool


def read_rated(path: Path) -> list[RatedChat]:
    """The rows of a JSONL file. Raises `MissingData`, and `MalformedRow` for the first bad line."""
    try:
        # Not splitlines(): JSON's strings may have other line ends of Unicode in them as they are.
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(RatedChat.model_validate(json.loads(line)))
            except ValidationError as error:
                raise MalformedRow(path, number, explain(error)) from error
            except ValueError as error:
                raise MalformedRow(path, number, f"no JSON: {error}") from error
    return rows


def digest_of(rows: Sequence[RatedChat]) -> str:
    """A hash over all rows in their order."""
    found = hashlib.sha256()
    for row in rows:
        found.update(row.model_dump_json().encode())
    return found.hexdigest()[:16]


def make_rated(
    rows: Sequence[RatedChat], recipe: Recipe, tokenizer: Any
) -> tuple[list[RatedExample], Counts]:
    """The examples in the rows' order, and what became of the rows.

    Of a chat that is too long the oldest turns are left out, as in serving (`split` counts them); where the
    last question alone is too long, or would leave no room for the answer, the row is dropped. Raises `DataError`.
    """
    prompt_format = find_format(recipe.prompt_format)
    examples: list[RatedExample] = []
    shortened = cut = 0
    for row in rows:
        turns = as_turns(row)
        for begin in range(0, len(turns), 2):
            example = _example(row, begin, prompt_format, tokenizer)
            room = recipe.max_length - len(example.prompt)
            if room >= len(example.answer) or (begin == len(turns) - 2 and room > 0):
                shortened += begin > 0
                cut += room < len(example.answer)
                examples.append(RatedExample(example.prompt, example.answer[:room], example.liked))
                break
    if {example.liked for example in examples} != {True, False}:
        raise DataError("KTO needs answers that were liked and answers that were not")
    tokens = sum(len(each.prompt) + len(each.answer) for each in examples)
    learnt = sum(len(each.answer) for each in examples)
    dropped = len(rows) - len(examples)
    return examples, Counts(len(rows), len(examples), tokens, learnt, shortened, cut, dropped)


def _example(row: RatedChat, begin: int, prompt_format: PromptFormat, tokenizer: Any) -> RatedExample:
    """The row without the turns before `begin`, whose notes pass on."""
    messages = build(system_prompt(LANGUAGES[row.language]), later_turns(as_turns(row), begin))
    prompt = prompt_format.render(messages[:-1], tokenizer)
    whole = prompt_format.render_training(messages, tokenizer)
    end = len(whole.ids)
    while not whole.answer[end - 1]:
        end -= 1
    return RatedExample(prompt, whole.ids[len(prompt) : end], row.rating > 0)

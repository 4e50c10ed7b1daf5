"""From chats to examples: token ids, and which of them are learnt.

The text is the serving prompt, token for token: `training.chats.as_turns` and `model.conversation` say what
the model is shown, and `model.prompt` how that becomes tokens. What is longer than the recipe lets it be is
split or cut here, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from model.conversation import Turn, build, system_prompt
from model.languages import LANGUAGES
from model.lookup_tag import parse_reply
from model.prompt import PromptFormat, find_format
from training.chats import Chat, as_turns, later_turns
from training.errors import DataError
from training.finetuning.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Example:
    """A chat, or a part of one, as the model sees it."""

    chat: str
    """The chat's id."""
    language: str
    ids: list[int]
    learn: list[bool]
    """Which tokens the loss is about."""
    closing: list[bool]
    """Which tokens close an answer: its look-up tag, where it has one, and its end tokens."""

    @property
    def learnt(self) -> int:
        """How many tokens the loss is about."""
        return sum(self.learn)

    @property
    def first_learnt(self) -> int:
        """The place of the first of them."""
        return self.learn.index(True)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the chats. `split` ones became several examples, `cut` ones lost their end, `dropped`
    ones had nothing to learn within the length."""

    chats: int
    examples: int
    tokens: int
    learnt: int
    split: int
    cut: int
    dropped: int

    def __str__(self) -> str:
        long = [(self.split, "split between turns"), (self.cut, "cut at the end"), (self.dropped, "dropped")]
        said = "".join(f", {count} {what}" for count, what in long if count)
        return f"{self.chats} chats: {self.tokens:,} tokens, {self.learnt:,} of them learnt{said}"


def make_examples(chats: Iterable[Chat], recipe: Recipe, tokenizer: Any) -> tuple[list[Example], Counts]:
    """The examples in the chats' order, with what became of the chats. Raises `DataError` for none at all."""
    prompt_format = find_format(recipe.prompt_format)
    examples: list[Example] = []
    total = split = cut = dropped = 0
    for chat in chats:
        total += 1
        parts = list(_parts(chat, recipe, prompt_format, tokenizer))
        kept = [_cut(part, recipe.max_length) for part in parts]
        whole = [part for part in kept if any(part.learn)]
        split += len(parts) > 1
        cut += any(len(part.ids) > recipe.max_length for part in parts)
        dropped += not whole
        examples += whole
    if not examples:
        raise DataError("there is nothing to learn in these chats within the recipe's max_length")
    tokens, learnt = sum(len(each.ids) for each in examples), sum(each.learnt for each in examples)
    return examples, Counts(total, len(examples), tokens, learnt, split, cut, dropped)


def _parts(chat: Chat, recipe: Recipe, prompt_format: PromptFormat, tokenizer: Any) -> Iterator[Example]:
    """The chat as one example, or as several that do not overlap; a part may still be too long by itself."""
    turns = as_turns(chat)
    whole = _example(chat, turns, recipe, prompt_format, tokenizer)
    if recipe.too_long == "truncate" or len(whole.ids) <= recipe.max_length:
        yield whole
        return
    begin = 0
    while begin < len(turns):
        part = end = None
        for candidate in range(begin + 2, len(turns) + 1, 2):
            longer = _example(chat, later_turns(turns, begin, candidate), recipe, prompt_format, tokenizer)
            if part is None or len(longer.ids) <= recipe.max_length:
                part, end = longer, candidate
            if len(longer.ids) > recipe.max_length:
                break
        if part is None or end is None:
            break
        yield part
        begin = end


def _example(
    chat: Chat, turns: Sequence[Turn], recipe: Recipe, prompt_format: PromptFormat, tokenizer: Any
) -> Example:
    messages = build(system_prompt(LANGUAGES[chat.language]), turns)
    tokens = prompt_format.render_training(messages, tokenizer)
    # Nothing stands before the first token, so it cannot be learnt.
    everything = [False] + [True] * (len(tokens.ids) - 1)
    learn = everything if recipe.loss.tokens == "all" else tokens.answer
    ends = frozenset(prompt_format.stop_token_ids(tokenizer))
    closing = [False] * len(tokens.ids)
    for begin, end in _answers(tokens.answer):
        count = closing_tokens(tokens.ids[begin:end], ends, tokenizer)
        closing[end - count : end] = [True] * count
    return Example(chat.id, chat.language, tokens.ids, learn, closing)


def _answers(marks: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """From where to where tokens are marked."""
    place = 0
    for marked, run in groupby(marks):
        begin, place = place, place + len(list(run))
        if marked:
            yield begin, place


def closing_tokens(answer: Sequence[int], ends: frozenset[int], tokenizer: Any) -> int:
    """How many tokens at an answer's end are its look-up tag, line breaks before it and all, and its end tokens.

    `ends` are the tokens that may end an answer.
    """
    text = list(answer)
    while text and text[-1] in ends:
        text.pop()
    whole = tokenizer.decode(text)
    tag = len(whole) - len(parse_reply(whole, "en").text)
    begin = len(text)
    while begin and len(tokenizer.decode(text[begin:])) < tag:
        begin -= 1
    return len(answer) - begin


def _cut(example: Example, length: int) -> Example:
    return replace(
        example,
        ids=example.ids[:length],
        learn=example.learn[:length],
        closing=example.closing[:length],
    )


def spread(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """At most so many examples, from as many languages as possible; in the order of the languages' turns."""
    if limit is None or limit >= len(examples):
        return list(examples)
    by_language: dict[str, list[Example]] = {}
    for example in examples:
        by_language.setdefault(example.language, []).append(example)
    rounds = max(map(len, by_language.values()))
    dealt = [rows[turn] for turn in range(rounds) for rows in by_language.values() if turn < len(rows)]
    return dealt[:limit]

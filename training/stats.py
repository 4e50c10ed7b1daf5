"""What the dataset holds, in numbers: rows, lengths in Llama 3's tokens, tasks, kinds of works.

Only counting is here; `stats_tables` writes the numbers down and `stats_plots` draws them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.catalogue import load_properties
from training.chats import TASKS, Chat, as_messages, read_folder
from training.checks.words import count_words
from training.split import SPLITS, read_record


@dataclass(frozen=True, slots=True)
class Tokens:
    """The length of a chat as a training example; `answers` is what of it a model learns to write."""

    whole: int
    answers: int


CountTokens = Callable[[Chat], Tokens]


@dataclass(frozen=True, slots=True)
class LanguageCounts:
    """A language's rows. `tokens` has the length of each chat as a training example, in rising order."""

    rows: int
    splits: Mapping[str, int]
    tasks: Mapping[str, int]
    lookups: int
    six_messages: int
    answer_words: int
    answer_tokens: int
    tokens: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.tokens)

    def longer_than(self, limit: int) -> int:
        """How many chats have more tokens than that."""
        return sum(each > limit for each in self.tokens)

    @property
    def tokens_per_word(self) -> float:
        """Of the answers: what the tokenizer makes of this language."""
        return self.answer_tokens / max(self.answer_words, 1)

    def percentile(self, share: float) -> int:
        """The length that this share of the chats does not exceed (nearest rank)."""
        return self.tokens[max(math.ceil(share * len(self.tokens)) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Stats:
    """Code → counts, and property type → (local works, international works)."""

    languages: Mapping[str, LanguageCounts]
    property_types: Mapping[str, tuple[int, int]]

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.languages.values())

    @property
    def tokens(self) -> int:
        return sum(each.total for each in self.languages.values())


def count(data: Path, count_tokens: CountTokens) -> Stats:
    """Count what `data/chats` holds, its splits where they are dealt, and the works of its languages."""
    chats = read_folder(data / "chats")
    record = read_record(data / "splits.json", missing_ok=True)
    side_of = {each: side for side, ids in record.rows.items() for each in ids} if record else {}
    languages = {code: _count_language(rows, side_of, count_tokens) for code, rows in chats.items()}
    return Stats(languages, _property_types(list(chats)))


def _count_language(
    rows: Sequence[Chat], side_of: Mapping[str, str], count_tokens: CountTokens
) -> LanguageCounts:
    sides = Counter(side_of.get(chat.id, "none") for chat in rows)
    tasks = Counter(chat.task for chat in rows)
    lengths = [count_tokens(chat) for chat in rows]
    return LanguageCounts(
        rows=len(rows),
        splits={side: sides[side] for side in SPLITS},
        tasks={task: tasks[task] for task in TASKS},
        lookups=sum(chat.lookup is not None for chat in rows),
        six_messages=sum(len(chat.messages) >= 6 for chat in rows),
        answer_words=sum(
            count_words(turn.content, chat.language) for chat in rows for turn in chat.messages[1::2]
        ),
        answer_tokens=sum(each.answers for each in lengths),
        tokens=tuple(sorted(each.whole for each in lengths)),
    )


def _property_types(codes: Sequence[str]) -> dict[str, tuple[int, int]]:
    works = [work for code in codes for work in load_properties(code)]
    kinds = Counter(work.property_type for work in works)
    local = Counter(work.property_type for work in works if work.is_local)
    return {kind: (local[kind], total - local[kind]) for kind, total in kinds.most_common()}


def llama_tokens() -> CountTokens:
    """Counts a chat's tokens as a whole prompt for Llama 3, with system prompt and background.

    Raises `model.errors.MissingPackage` where Llama 3's tokenizer is not installed.
    """
    from model.llama_tokenizer import llama_tokenizer
    from model.prompt import find_format

    tokenizer, prompt_format = llama_tokenizer(), find_format("llama3")

    def count_chat(chat: Chat) -> Tokens:
        example = prompt_format.render_training(as_messages(chat), tokenizer)
        return Tokens(len(example.ids), sum(example.answer))

    return count_chat

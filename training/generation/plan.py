"""What each chat is to be: its task, how its user writes, whether it looks something up. Pure, drawn by a seed.

Chats are planned in blocks, one chat for each work of a language, so that every block has the mixture of the
shipped dataset, and so that a part of a run is planned exactly as the whole would plan it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from training.chats import TASKS

CRAFT_TASKS = ("beta_read", "title_summary_tags", "plot_fix", "dialogue", "continuation", "ideas")
"""Tasks that can do without facts about the work, those that need them least first."""

REGISTERS = (
    "all in lower case, no full stop at the end",
    "polite and a little formal",
    "excited, with an exclamation mark or two",
    "tired and late at night, thinking aloud",
    "terse, almost like a search query",
    "chatty, with half a sentence about themselves as a fan",
    "with one small typo left in",
    "with the slang that young people type in this language",
    "a shy beginner who has never shown anybody their writing",
    "an experienced writer who knows the words of the craft",
    "teasing and ironic",
    "in a hurry, because of a deadline or an exchange",
    "warm and a bit sentimental about the work",
    "sceptical: has tried something and it did not work",
)
"""How users write."""

OPENINGS = (
    "opens with a question",
    "opens with a character's name",
    "opens in the middle of a thought",
    "opens with what they have written so far, a line of their own in quotation marks",
    "opens with an imperative",
    "opens with a «what if»",
    "opens with a wish",
    "opens with a place or a time of the story",
    "opens with a greeting",
    "opens with a complaint about their own draft",
)
"""How their first message begins, so that no two begin alike."""

NO_LOOKUP, MISSED, LATER, SIX = 4 / 20, 1 / 20, 2 / 20, 3 / 20
"""Shares of a block: rows without a look-up, with one that missed, with a second one, and of six messages."""


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """One chat to be written: `work` counts the works of a language from 1, `chat` the chats about a work."""

    language: str
    work: int
    chat: int
    task: str
    register: str = ""
    opening: str = ""
    lookup: bool = True
    missed: bool = False
    """The look-up finds something else of the same name."""
    later: bool = False
    """The second answer asks for another page."""
    six: bool = False
    """Six messages instead of four."""

    @property
    def slot(self) -> str:
        """The name under which the journal knows it."""
        return f"{self.language}/{self.work:02d}/{self.chat}"


def plan_language(language: str, works: int, chats: int, seed: int) -> list[ChatPlan]:
    """`chats` chats about each of `works` works, block by block, in the proportions of the shipped dataset."""
    return [
        plan for chat in range(1, chats + 1) for plan in _block(language, works, chat, f"{seed}/{language}")
    ]


def plan_plainly(language: str, works: int, chats: int, task: str) -> list[ChatPlan]:
    """Chats that are all alike: four messages, with a look-up."""
    return [
        ChatPlan(language, work, chat, task) for chat in range(1, chats + 1) for work in range(1, works + 1)
    ]


def _block(language: str, works: int, chat: int, seed: str) -> list[ChatPlan]:
    # What a work is dealt moves on from block to block, so that no two chats about it are dealt the same.
    deal = Random(seed)
    tasks, registers, openings = (
        _moved_on(cards, _dealt(len(cards), works, deal), step * (chat - 1))
        for cards, step in ((TASKS, 5), (REGISTERS, 3), (OPENINGS, 3))
    )
    random = Random(f"{seed}/{chat}")
    rows = [
        ChatPlan(language, number + 1, chat, tasks[number], registers[number], openings[number])
        for number in range(works)
    ]
    numbers = range(works)
    without = set(_craftiest(rows, round(works * NO_LOOKUP), random))
    with_lookup = [number for number in numbers if number not in without]
    missed = set(_some(with_lookup, round(works * MISSED), random))
    later = set(_some((n for n in with_lookup if n not in missed), round(works * LATER), random))
    six = set(_some((n for n in numbers if n not in missed), round(works * SIX), random))
    return [
        replace(
            row,
            lookup=number not in without,
            missed=number in missed,
            later=number in later,
            six=number in six,
        )
        for number, row in enumerate(rows)
    ]


def _dealt(cards: int, count: int, random: Random) -> list[int]:
    """`count` of the cards, each as often as any other, give or take one, shuffled."""
    rounds, rest = divmod(count, cards)
    dealt = [*range(cards)] * rounds + random.sample(range(cards), rest)
    random.shuffle(dealt)
    return dealt


def _moved_on(cards: Sequence[str], dealt: Sequence[int], steps: int) -> list[str]:
    return [cards[(card + steps) % len(cards)] for card in dealt]


def _craftiest(rows: Sequence[ChatPlan], count: int, random: Random) -> list[int]:
    """The rows whose tasks need facts least."""
    order = {task: rank for rank, task in enumerate(CRAFT_TASKS)}
    shuffled = random.sample(range(len(rows)), len(rows))
    return sorted(shuffled, key=lambda number: order.get(rows[number].task, len(order)))[:count]


def _some(numbers: Iterable[int], count: int, random: Random) -> list[int]:
    candidates = list(numbers)
    return random.sample(candidates, min(count, len(candidates)))

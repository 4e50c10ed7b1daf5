"""What of a conversation goes into a prompt, and what is left out where the window is too small for all of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from model.conversation import (
    SUMMARY_TITLE,
    TOKENS_PER_MESSAGE,
    ChatMessage,
    ContextNote,
    Turn,
    as_message,
    joined,
    language_of,
)
from model.errors import PromptTooLong

MAX_PASSED_ON = 6
"""How many notes outlive the turns that brought them: the newest ones, each page once."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a prompt tells beside its turns: the story bible, and a summary of what happened before the first turn."""

    bible: tuple[str, ...] = ()
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is told. `turns` alternate and end with what is to be answered, or with the answer begun;
    `dropped` is how many older turns there was no room for."""

    system: str
    turns: tuple[Turn, ...]
    memory: Memory = Memory()
    dropped: int = 0

    def messages(self) -> list[ChatMessage]:
        """The prompt as messages: the memory stands in front of the first thing that a user says."""
        turns = list(self.turns)
        first = next((index for index, turn in enumerate(turns) if turn.role == "user"), None)
        if first is not None:
            head = (summary_note(self.memory.summary, self.system),) if self.memory.summary else ()
            told = turns[first]
            turns[first] = replace(told, context=(*head, *told.context), bible=self.memory.bible)
        return [{"role": "system", "content": self.system}, *map(as_message, turns)]


def summary_note(summary: str, system: str) -> ContextNote:
    """A summary in the form in which it is told: as a note in the conversation's language."""
    language = language_of(system)
    return ContextNote(SUMMARY_TITLE, language.code if language else "en", summary)


def passed_on(notes: Sequence[ContextNote]) -> tuple[ContextNote, ...]:
    """The notes that go on without the turns that brought them, so that old look-ups never fill the window."""
    newest: dict[tuple[str, str], ContextNote] = {}
    for note in reversed(notes):
        newest.setdefault((note.title, note.language), note)
    return tuple(reversed(list(newest.values())[:MAX_PASSED_ON]))


def fit(
    system: str,
    turns: Sequence[Turn],
    count_tokens: Callable[[str], int],
    *,
    window: int,
    reserve: int,
    memory: Memory = Memory(),
) -> Prompt:
    """As much of a conversation as leaves `reserve` of the window's tokens for the answer.

    Dropped in this order, only as far as needed: the oldest turns (their newest notes pass on to the next user turn
    that stays), then notes, the oldest first, then the summary, then the story bible. Never dropped: the system
    prompt, the last user message and what follows it. `count_tokens` is asked for the content of one message at a
    time. Raises `PromptTooLong` where even the least does not fit.
    """
    room = window - reserve
    counted: dict[str, int] = {}

    def cost(message: ChatMessage) -> int:
        content = message["content"]
        if content not in counted:
            counted[content] = count_tokens(content) + TOKENS_PER_MESSAGE
        return counted[content]

    def fits(prompt: Prompt) -> bool:
        return sum(map(cost, prompt.messages())) <= room

    whole = Prompt(system, tuple(joined(turns)), memory)
    if fits(whole):
        return whole
    starts = [index for index, turn in enumerate(whole.turns) if turn.role == "user"][1:]
    # Each later start is a shorter prompt, so the first that fits can be found by halving.
    found = bisect_left(starts, True, key=lambda start: fits(_from(whole, start)))
    if found < len(starts):
        return _from(whole, starts[found])
    for shorter in _least(_from(whole, starts[-1]) if starts else whole):
        if fits(shorter):
            return shorter
    raise PromptTooLong


def _from(whole: Prompt, start: int) -> Prompt:
    """The prompt from a later user turn on."""
    first = whole.turns[start]
    notes = passed_on([note for turn in whole.turns[: start + 1] for note in turn.context])
    told = (replace(first, context=notes), *whole.turns[start + 1 :])
    return replace(whole, turns=told, dropped=start)


def _least(prompt: Prompt) -> Iterator[Prompt]:
    """Ever shorter forms of a prompt with one user turn only."""
    for index, turn in enumerate(prompt.turns):
        for left in range(len(turn.context) - 1, -1, -1):
            notes = turn.context[len(turn.context) - left :]
            prompt = replace(prompt, turns=_with_notes(prompt.turns, index, notes))
            yield prompt
    prompt = replace(prompt, memory=replace(prompt.memory, summary=None))
    yield prompt
    yield replace(prompt, memory=Memory())


def _with_notes(turns: tuple[Turn, ...], index: int, notes: tuple[ContextNote, ...]) -> tuple[Turn, ...]:
    return (*turns[:index], replace(turns[index], context=notes), *turns[index + 1 :])

"""How a language's set is composed: shares of tasks, look-ups and long chats, and openings that are not alike.

These are said of a set, and drop no row. Sets of fewer than twenty rows are too small to have shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from model.lookup_tag import parse_reply
from training.chats import IMPORTED, TASKS, Chat
from training.checks.finding import Finding
from training.checks.words import is_spaced, units

MIN_ROWS = 20
MAX_TASK = 0.15
LOOKUPS = (0.7, 0.9)
SIX_MESSAGES = (0.1, 0.2)
SECOND_LOOKUPS = (0.05, 0.15)
_OPENING = 3


def check_quotas(language: str, chats: Sequence[Chat]) -> list[Finding]:
    """What is out of proportion among a language's rows."""
    found = [Finding("quota", language, detail) for detail in _openings(language, chats)]
    if len(chats) < MIN_ROWS:
        return [Finding("quota", language, f"{len(chats)} rows, fewer than {MIN_ROWS}"), *found]
    tasks = Counter(chat.task for chat in chats)
    if set(tasks) != {IMPORTED}:
        missing = [task for task in TASKS if task not in tasks]
        if missing:
            found.append(Finding("quota", language, f"no row of {', '.join(missing)}"))
        for task, count in tasks.items():
            if count / len(chats) > MAX_TASK:
                found.append(Finding("quota", language, f"{count} of {len(chats)} rows are {task}"))
    shares = (
        ("have a look-up", LOOKUPS, sum(chat.lookup is not None for chat in chats)),
        ("have six messages and more", SIX_MESSAGES, sum(len(chat.messages) >= 6 for chat in chats)),
        ("have a second look-up", SECOND_LOOKUPS, sum(_second_lookup(chat) for chat in chats)),
    )
    for what, (least, most), count in shares:
        if not least <= count / len(chats) <= most:
            share = f"{count / len(chats):.0%}, not {least:.0%} to {most:.0%}"
            found.append(Finding("quota", language, f"{count} of {len(chats)} rows {what} ({share})"))
    return found


def _second_lookup(chat: Chat) -> bool:
    return any(parse_reply(turn.content, chat.language).lookup for turn in chat.messages[3::2])


def _openings(language: str, chats: Sequence[Chat]) -> list[str]:
    """Users who open with the same three words (or six letters, where words are not written apart)."""
    length = _OPENING if is_spaced(language) else 2 * _OPENING
    openings = Counter(" ".join(units(chat.messages[0].content, language)[:length]) for chat in chats)
    return [f"{count} users open with «{words}»" for words, count in openings.items() if count > 1]

"""What the members of a thread are called in the prompt, so that the model tells them apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import islice

import regex

from bot.database.tables import Message, Role
from bot.text.cleaning import clean, without_direction, without_towers
from bot.text.length import graphemes
from bot.text.mentions import without_mentions
from model.conversation import break_special_tokens

_LIMIT = 40
# What templates of chat models, and ours, call those who speak.
_ROLES = frozenset({
    "system", "user", "assistant", "model", "ipython", "tool", "function", "developer", "human", "ai", "bot",
    "fanfabler", "notes", "file",
})  # fmt: skip
# Marks of chat templates, of our own blocks, and what would end the name in «name: words».
_MARKS = regex.compile(r"[<>\[\]{}|｜:：«»\"`*_#~\\]+")


def speakers(path: Sequence[Message]) -> dict[int, str]:
    """A name for each member who speaks in a branch, by id: the newest they had, plain, and no two alike."""
    newest = {m.author_id: m.author_name for m in path if m.role == Role.USER and m.author_id is not None}
    names: dict[int, str] = {}
    taken: set[str] = set()
    for author_id, display_name in newest.items():
        plain = speaker(display_name or "")
        name, number = plain, 2
        while _folded(name) in taken:
            name, number = f"{plain} ({number})", number + 1
        taken.add(_folded(name))
        names[author_id] = name
    return names


def speaker(display_name: str) -> str:
    """A display name as it stands in front of a member's words: one line of at most forty characters that is no role's
    name, holds no mark of a prompt, and is not empty."""
    plain = without_direction(without_mentions(without_towers(clean(display_name))))
    plain = break_special_tokens(_MARKS.sub(" ", plain))
    plain = "".join(islice(graphemes(" ".join(plain.split())), _LIMIT)).strip(" .,;-")
    if not any(unicodedata.category(char)[0] in "LNS" for char in plain):
        return "Member"
    return f"@{plain}" if _folded(plain).lstrip("@") in _ROLES else plain


def _folded(name: str) -> str:
    """The name without what eyes do not see of it."""
    visible = (char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    return "".join(visible).casefold()

"""What keeps a sentence in its direction when a name, a title or a command of another one stands in it: isolates
(U+2068 … U+2069), and the mark U+200F where a line in a language written from right to left begins otherwise.

By the Unicode Bidirectional Algorithm (UAX #9), as Discord shows texts: each line in the direction of its first letter
that is not isolated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

ISOLATE, POP = "\u2068", "\u2069"
RIGHT_TO_LEFT_MARK = "\u200f"
_OPENS = "\u2066\u2067\u2068"

# A command as the texts write them, a name that begins with a dot, what is set as code.
_ISLAND = re.compile(r"(?<=\*\*)/[^*\n]+(?=\*\*)|(?<![\w.])\.[A-Za-z][\w.]*|`[^`\n]+`")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
# What stands in front of a line for Discord's Markdown, or is a bullet of ours.
_LINE_MARK = re.compile(r"(?:\s|>\s|#{1,3}\s|-#\s|[-*•]\s)*")
_NUMBER = re.compile(r"\d+(?:[.,٫٬]\d+)*")
# Discord takes what follows an address for a part of it, and one by itself keeps its direction.
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A literal text, and the placeholder after it, if any."""

    text: str
    name: str | None
    form: str
    isolated: bool


def filled(template: str, values: Mapping[str, object], *, right_to_left: bool) -> str:
    """The template with its `{placeholders}` filled, each value isolated where it could turn the sentence round.

    What has a line of its own, spans several, stands in code, is a number or an address is left alone. Raises
    `KeyError` where a value is missing.
    """
    parts: list[str] = []
    for piece in _pieces(template, right_to_left):
        parts.append(piece.text)
        if piece.name is not None:
            text = format(values[piece.name], piece.form)
            parts.append(inside(text, right_to_left=right_to_left) if piece.isolated else text)
    return "".join(parts)


def inside(text: str, *, right_to_left: bool) -> str:
    """The text as a part of a line in this direction: isolated, but for what needs it not."""
    harmless = _NUMBER.fullmatch(text) if right_to_left else not reads_from_the_right(text)
    if not text or harmless or "\n" in text or _ADDRESS.fullmatch(text) or _is_isolated(text):
        return text
    return f"{ISOLATE}{text}{POP}"


def from_the_right(line: str) -> str:
    """A line of a language written from right to left that begins with something else, such as a mention."""
    mark = _LINE_MARK.match(line)
    begin = mark.end() if mark else 0
    return f"{line[:begin]}{RIGHT_TO_LEFT_MARK}{line[begin:]}"


def reads_from_the_right(text: str) -> bool:
    """Whether there is a letter in it that is written from right to left."""
    return any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)


@lru_cache(maxsize=4096)
def _pieces(template: str, right_to_left: bool) -> tuple[_Piece, ...]:
    if right_to_left:
        template = "\n".join(_directed(line) for line in template.split("\n"))
    alone = [bool(_PLACEHOLDER.fullmatch(line.strip())) for line in template.split("\n")]
    pieces: list[_Piece] = []
    before = ""
    for text, name, form, _ in Formatter().parse(template):
        before += text
        isolated = not alone[before.count("\n")] and before.count("`") % 2 == 0
        pieces.append(_Piece(text, name, form or "", isolated))
    return tuple(pieces)


def _directed(line: str) -> str:
    line = _ISLAND.sub(lambda found: f"{ISOLATE}{found[0]}{POP}", line)
    if _PLACEHOLDER.fullmatch(line.strip()):
        return line
    outside = _PLACEHOLDER.sub("", re.sub(f"{ISOLATE}.*?{POP}", "", line))
    mixed = outside != line or reads_from_the_right(outside)
    return from_the_right(line) if mixed and _first_strong(outside) not in ("R", "AL") else line


def _first_strong(text: str) -> str:
    """The class of the first letter with a direction: L, R, AL, or nothing."""
    classes = (unicodedata.bidirectional(char) for char in text)
    return next((each for each in classes if each in ("L", "R", "AL")), "")


def _is_isolated(text: str) -> bool:
    """Whether one isolate holds all of it."""
    depth = 0
    for number, char in enumerate(text):
        depth += (char in _OPENS) - (char == POP)
        if depth <= 0:
            return number > 0 and number == len(text) - 1 and depth == 0
    return False

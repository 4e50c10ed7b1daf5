"""How long a text is for Discord, and where it may be cut so that no grapheme breaks.

Discord's API counts code points and its clients count UTF-16 units, so a text must satisfy both. No code point takes
less than one unit: what fits in units fits in code points, and everything here budgets units alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import regex

# What str.isspace calls whitespace; `\s` of the package regex leaves the four separators out.
BLANK = r"\s\x1c-\x1f"

_GRAPHEME = regex.compile(r"\X")
_NOT_BLANK = regex.compile(rf"[^{BLANK}]")
_CONTINUES = regex.compile(r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]")
_PREPENDED = regex.compile(r"\p{GCB=Prepend}")


def measure(text: str) -> tuple[int, int]:
    """A text's length in (code points, UTF-16 units)."""
    return len(text), utf16_units(text)


def utf16_units(text: str) -> int:
    """A text's length in UTF-16 units, lone surrogates counted as one."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class Ruler:
    """Finds how far a number of UTF-16 units reaches in `text[start:]`; looks at no more than `span` code points."""

    def __init__(self, text: str, start: int, span: int) -> None:
        self._start = start
        self._end = min(len(text), start + span)
        piece = text[start : self._end]
        astral = utf16_units(piece) != len(piece)
        self._ends = list(accumulate([2 if char > "\uffff" else 1 for char in piece])) if astral else None

    def reach(self, units: int) -> int:
        """The greatest index up to which the text takes at most `units` units."""
        if units <= 0:
            return self._start
        if self._ends is None:
            return min(self._start + units, self._end)
        return self._start + bisect_right(self._ends, units)


def next_visible(text: str, start: int, end: int) -> int | None:
    """The index of the first character in `text[start:end]` that is not whitespace."""
    match = _NOT_BLANK.search(text, start, end)
    return match.start() if match else None


def graphemes(text: str) -> Iterator[str]:
    """The text's extended grapheme clusters (Unicode Annex 29)."""
    return (match.group() for match in _GRAPHEME.finditer(text))


def last_grapheme_boundary(text: str, start: int, end: int) -> int:
    """The greatest grapheme boundary in `start < index <= end`, or `end` where one grapheme fills all of it.

    `end` must be an index of a character: it decides whether `end` itself is a boundary.
    """
    boundary = 0
    # A slice, for the pattern would look back over all the flags before `start` to pair them.
    for match in _GRAPHEME.finditer(text[start : end + 1]):
        boundary = match.start()
    return start + boundary if boundary else end


def may_begin(text: str, index: int) -> bool:
    """Whether no grapheme of the usual kinds reaches over `index`. Sound after whitespace, punctuation and CJK
    letters; jamo, flags and emoji sequences need `last_grapheme_boundary`."""
    return not _CONTINUES.match(text, index) and not _PREPENDED.match(text, index - 1)


def shorten(text: str, limit: int) -> str:
    """The text, cut between graphemes and ended by an ellipsis where it takes more than `limit` UTF-16 units."""
    if utf16_units(text) <= limit:
        return text
    kept = Ruler(text, 0, limit).reach(limit - 1)
    return text[: last_grapheme_boundary(text, 0, kept)].rstrip() + "…" if kept else "…"

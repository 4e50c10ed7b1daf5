"""Where a message that is full is best cut: after a paragraph, a sentence, a clause, a word, in this order.

Sentence ends are those of the forty languages: Latin, Greek and Cyrillic stops before white space, CJK stops anywhere,
the Arabic and Urdu, Devanagari and Armenian ones, and Thai's spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from bot.text.length import BLANK, last_grapheme_boundary, may_begin, next_visible
from bot.text.spans import ATOM, Cover, Span

_CLOSING = r"[\"'”’»›)\]}」』】）》〉〕］｝*_~|]*+"
_ABBREVIATIONS = (
    r"Mr|Mrs|Ms|Dr|St|Prof|Sr|Sra|Jr|vs|etc|ca|cf|No|Nr|Hr|Fr|Mme|Mlle|str|bzw|usw|np|tzv|resp"
    r"|г|ул|см|напр|\p{L}"
)

PARAGRAPH = regex.compile(r"\n[^\S\n]*(?=\n)")
LINE = regex.compile(r"\n")
SENTENCE = regex.compile(
    rf"(?:[!?…‽؟۔।॥։]++|(?<!\b(?:{_ABBREVIATIONS}|\d+))\.++){_CLOSING}(?=[{BLANK}]++[^\p{{Ll}}])"
    rf"|[。！？｡．]++{_CLOSING}(?![。！？｡．、，…])"
    r"|(?<=[\p{Thai}ๆฯ])(?=[^\S\n]++[\p{Thai}\"“(])"
)
CLAUSE = regex.compile(rf"[,;:،؛–—]++{_CLOSING}(?=[{BLANK}])|[、，；：…—]++{_CLOSING}(?![。！？｡．、，…])")
WORD = regex.compile(
    rf"(?<![{BLANK}])(?=[{BLANK}])|\u200b++"
    r"|(?<=[\p{Han}\p{Hiragana}\p{Katakana}])(?=[\p{Han}\p{Hiragana}\p{Katakana}])(?![ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮーゝゞヽヾ々])"
)
_HEADING = regex.compile(r"[^\S\n]*(?:#{1,6}[^\S\n]|\*\*[^*\n]+\*\*[^\S\n]*$)")


@dataclass(frozen=True, slots=True)
class _Level:
    """Cut after the last match of a pattern that leaves the part at least this full."""

    pattern: regex.Pattern[str]
    fill: float
    zone: str


_LEVELS = (
    _Level(PARAGRAPH, 0.6, "outside"),
    _Level(LINE, 0.7, "outside"),
    _Level(SENTENCE, 0.5, "outside"),
    _Level(LINE, 0.5, "fence"),
    _Level(CLAUSE, 0.5, "outside"),
    _Level(WORD, 0.5, "outside"),
    _Level(SENTENCE, 0.25, "outside"),
    _Level(WORD, 0.25, "outside"),
    _Level(SENTENCE, 0.5, "emphasis"),
    _Level(CLAUSE, 0.5, "emphasis"),
    _Level(WORD, 0.25, "emphasis"),
)
_PLAIN_LEVELS = tuple(level for level in _LEVELS if level.zone == "outside")


def choose_cut(text: str, start: int, overflow: int, spans: list[Span]) -> int:
    """Where to end the part that begins at `start` and must not contain `overflow`, a visible character.

    The answer depends on nothing behind `overflow`. It is greater than the index of the first visible character.
    """
    first = next_visible(text, start, overflow + 1)
    first = start if first is None else first
    zones = _zones(text, spans)
    marks = _inside_marks(spans)
    for level in _LEVELS if spans else _PLAIN_LEVELS:
        begin = max(first + 1, start + int((overflow - start) * level.fill))
        allowed = zones[level.zone]
        for cut in _candidates(level.pattern, text, begin, overflow, marks):
            if (
                allowed(cut)
                and _starts_well(text, cut, overflow)
                and not _orphans_heading(level, text, start, cut)
            ):
                return cut
    whole = min(
        (span.start for span in spans if _unbreakable(span) and span.contains(overflow)), default=start
    )
    return whole if whole > first else _between_graphemes(text, first, overflow, marks)


def _zones(text: str, spans: list[Span]) -> dict[str, Callable[[int], bool]]:
    everything = Cover(spans)
    unbreakable = Cover(span for span in spans if _unbreakable(span) or span.fence)
    fences = [span for span in spans if span.fence]

    def in_code(cut: int) -> bool:
        return any(span.contains(cut) and next_visible(text, span.inner, cut) is not None for span in fences)

    return {
        "outside": lambda cut: cut not in everything,
        "emphasis": lambda cut: cut in everything and cut not in unbreakable,
        "fence": in_code,
    }


def _unbreakable(span: Span) -> bool:
    return not span.fence and (span.mark == ATOM or span.mark[0] == "`")


def _inside_marks(spans: list[Span]) -> dict[int, int]:
    """For each index inside a mark, or between an opening one and what it opens, where to cut instead."""
    marks: dict[int, int] = {}
    for span in spans:
        if span.mark != ATOM:
            marks |= dict.fromkeys(range(span.start + 1, span.inner + 1), span.start)
            if span.end is not None:
                marks |= dict.fromkeys(range(span.end - len(span.mark) + 1, span.end), span.end)
    return marks


def _off_marks(cut: int, marks: dict[int, int]) -> int:
    while cut in marks:
        cut = marks[cut]
    return cut


def _candidates(
    pattern: regex.Pattern[str], text: str, begin: int, overflow: int, marks: dict[int, int]
) -> Iterator[int]:
    """Cuts of a level from the last to the first."""
    ends = [match.end() for match in pattern.finditer(text, begin - 1, overflow + 1)]
    cuts = (_off_marks(end, marks) for end in reversed(ends))
    return (cut for cut in cuts if begin <= cut <= overflow)


def _starts_well(text: str, cut: int, overflow: int) -> bool:
    following = next_visible(text, cut, overflow + 1)
    return following is not None and may_begin(text, following)


def _orphans_heading(level: _Level, text: str, start: int, cut: int) -> bool:
    """Whether a heading would be left alone at the part's end."""
    if level.pattern not in (PARAGRAPH, LINE):
        return False
    line_end = cut if level.pattern is PARAGRAPH else cut - 1
    lines = text[start:line_end].rstrip().rsplit("\n", 1)
    return len(lines) == 2 and _HEADING.match(lines[1]) is not None


def _between_graphemes(text: str, first: int, overflow: int, marks: dict[int, int]) -> int:
    cut = _off_marks(last_grapheme_boundary(text, first, overflow), marks)
    if cut <= first:
        cut = overflow  # marks and what combines with them fill the part
    if text[cut - 1] == "\\" and cut - 1 > first:
        cut -= 1
    return cut

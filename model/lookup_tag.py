"""The look-up tag: how the model asks for a page of Wikipedia.

A reply asks by ending with two lines, `>>> search term` and `>>> language code`. Models are sloppy, so
reading is lenient, and people never see the tag, not even a part of it while a reply streams in. What
counts as a tag:

- A marker is a run of three or more `>` or of its look-alikes (`》》》`, `＞＞＞`, `»»»`).
- Lines that begin with a marker and end the text, with blank lines between and after them, are the tag. So a
  lone `>>> term` at the end is one (in the conversation's language), and a `>>> foo` above other text is not.
- A marker in the middle of the last line, or of the line above such lines, counts only where a language
  follows it at the next marker: `Let me see. >>> Dune >>> en`.
- A line with more than MAX_TAG_LINE characters from its first marker to its end is prose.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from dataclasses import dataclass

from model.languages import find_language

MAX_TERM = 200
"""Characters of the longest term that is looked up."""
MAX_TAG_LINE = 300
"""Characters from a line's first marker to its end beyond which the line is prose."""

_MARKS = ">＞》〉›»≫"
_MARKER = re.compile(f"[{_MARKS}]{{3,}}")
# Markdown and blanks that models put in front of a marker at the start of a line.
_LEAD = re.compile(r"[ \t\r　*_`~]*")
_MAY_BECOME_LEAD = re.compile(rf"[ \t\r　*_`~]*[{_MARKS}]{{0,2}}\Z")
_PARTIAL_MARKER = re.compile(rf"[{_MARKS}]{{1,2}}\Z")
_TERM_LABEL = re.compile(r"(?:wikipedia )?(?:search term|search|term|title|query)\s*[:：=]\s*", re.IGNORECASE)
_CODE_LABEL = re.compile(r"(?:language code|language|lang|code)\s*[:：=]\s*", re.IGNORECASE)
_PLACEHOLDERS = frozenset({"search term", "language code"})
_SCHEME = re.compile(r"://|^(?:https?|ftp|file|data|javascript|mailto|www)\b\s*[:.]", re.IGNORECASE)
_WRAPPING = (
    ("[[", "]]"), ("[", "]"), ("<", ">"), ("«", "»"), ("»", "«"), ("“", "”"), ("„", "“"), ("„", "”"),
    ('"', '"'), ("'", "'"), ("‘", "’"), ("「", "」"), ("『", "』"), ("《", "》"), ("【", "】"),
)  # fmt: skip
_JOINERS = "\u200c\u200d"  # part of how Persian and Hindi are written, though of category Cf


@dataclass(frozen=True, slots=True)
class Lookup:
    """A page to look up: one plain line of at most MAX_TERM characters, and one of the forty codes."""

    term: str
    language: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What people see of a reply, and what it asks for."""

    text: str
    lookup: Lookup | None = None


@dataclass(frozen=True, slots=True)
class _Marker:
    """A marker that may belong to the tag: where to cut, whether it begins its line, and what follows it."""

    cut: int
    begins_line: bool
    content: str


def parse_reply(text: str, default_language: str) -> Reply:
    """Split a whole reply into what is shown and what is asked for.

    Text without a tag comes back as it is; from text with one the tag and the blanks before it are cut. A tag
    that names nothing one could look up is cut all the same. `default_language` is the code taken where the
    tag names none of the forty.
    """
    markers = _closing_markers(text)
    for index, marker in enumerate(markers):
        if marker.begins_line or _is_language(markers[index + 1 : index + 2]):
            contents = [each.content for each in markers[index:]]
            return Reply(text[: marker.cut].rstrip(), _read(contents, default_language))
    return Reply(text)


def format_tag(lookup: Lookup) -> str:
    """The tag as the training data has it: two lines, nothing around them."""
    return f">>> {lookup.term}\n>>> {lookup.language}"


def format_reply(reply: Reply) -> str:
    """The reply as the model wrote it, or should have: the way it stands in later prompts."""
    if reply.lookup is None:
        return reply.text
    return f"{reply.text}\n\n{format_tag(reply.lookup)}" if reply.text else format_tag(reply.lookup)


class TagFilter:
    """Lets a reply through as it streams in, but for the tag.

    However a text is cut into deltas, what `feed` and `finish` return, joined, is `parse_reply(whole).text`.
    """

    def __init__(self, default_language: str) -> None:
        self._default_language = default_language
        self._text = ""
        self._shown = 0
        self._line_start = 0  # of the last line, which goes on
        self._above: int | None = None  # where the tag that the lines above may be begins

    def feed(self, delta: str) -> str:
        """Take the next piece; returns what may be shown now (often nothing, while it might be a tag)."""
        self._text += delta
        while (end := self._text.find("\n", self._line_start)) >= 0:
            self._above = self._cut(self._text[self._line_start : end])
            self._line_start = end + 1
        piece = self._text[self._shown : self._safe_length()].rstrip()
        self._shown += len(piece)
        return piece

    def finish(self) -> Reply:
        """The text has ended: the rest that is to be shown, and the look-up."""
        reply = parse_reply(self._text, self._default_language)
        rest, self._shown = reply.text[self._shown :], len(reply.text)
        return Reply(rest, reply.lookup)

    def _cut(self, line: str) -> int | None:
        """Where the tag that the text up to the end of its last line may be begins. As `_closing_markers` finds it, but
        without looking at the lines above again."""
        if not line.strip():
            return self._above
        markers = _markers_of(line, self._line_start)
        if markers and markers[0].begins_line and self._above is not None:
            return self._above
        return markers[0].cut if markers else None

    def _safe_length(self) -> int:
        """How much of a text that goes on can no longer become part of a tag, whatever follows."""
        if _MAY_BECOME_LEAD.match(self._text, self._line_start):
            return self._line_start if self._above is None else self._above
        if (cut := self._cut(self._text[self._line_start :])) is not None:
            return cut
        end = len(self._text)
        partial = _PARTIAL_MARKER.search(self._text, max(self._line_start, end - 2))
        return partial.start() if partial else end


def _closing_markers(text: str) -> list[_Marker]:
    """The markers in the lines that close a text: those beginning with one, and the line above."""
    found: deque[_Marker] = deque()
    stop = len(text)
    while stop >= 0:
        start = text.rfind("\n", 0, stop) + 1
        line = text[start:stop]
        markers = _markers_of(line, start)
        found.extendleft(reversed(markers))
        if line.strip() and not (markers and markers[0].begins_line):
            break
        stop = start - 1
    return list(found)


def _markers_of(line: str, offset: int) -> list[_Marker]:
    """The markers of one line, which stands at `offset` in the text; none where the line is prose."""
    runs = list(_MARKER.finditer(line))
    if not runs or len(line) - runs[0].start() > MAX_TAG_LINE:
        return []
    lead = _LEAD.match(line)
    ends = [*(run.start() for run in runs[1:]), len(line)]
    markers = []
    for run, end in zip(runs, ends, strict=True):
        begins_line = lead is not None and run.start() == lead.end()
        cut = offset if begins_line else offset + run.start()
        markers.append(_Marker(cut, begins_line, line[run.end() : end]))
    return markers


def _is_language(markers: list[_Marker]) -> bool:
    return bool(markers) and find_language(_plain(markers[0].content)) is not None


def _read(contents: list[str], default_language: str) -> Lookup | None:
    term = _plain(_TERM_LABEL.sub("", contents[0].strip(), count=1) if contents else "")
    code = _code(contents[1]) if len(contents) > 1 else None
    if code is None and len(contents) > 1 and term.islower() and len(term) == 2 and _code(term):
        # The two lines the wrong way round.
        term, code = _plain(_TERM_LABEL.sub("", contents[1].strip(), count=1)), _code(term)
    return Lookup(term, code or default_language) if _is_plain_term(term) else None


def _is_plain_term(term: str) -> bool:
    return (
        0 < len(term) <= MAX_TERM
        and any(character.isalnum() for character in term)
        and term.casefold() not in _PLACEHOLDERS
        and not _SCHEME.search(term)
    )


def _code(content: str) -> str | None:
    """The code of the language that the tag's second line names, if it is one of the forty."""
    named = _plain(_CODE_LABEL.sub("", content.strip(), count=1)).strip(" .,;:!()[]<>\"'")
    first_word = re.split(r"[\s(（,;:/]", named, maxsplit=1)[0]
    found = find_language(named) or find_language(first_word)
    return found.code if found else None


def _plain(content: str) -> str:
    """One line without control, format and private characters, outer quotes and doubled blanks."""
    kept = "".join(map(_plain_character, content))
    text = " ".join(kept.split()).strip("*_`~ ")
    while (inner := _unwrapped(text)) is not None:
        text = inner
    return text


def _plain_character(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character)[0] == "C" and character not in _JOINERS else character


def _unwrapped(text: str) -> str | None:
    """The text inside one pair of quotes, brackets or emphasis marks that are around the whole of it."""
    for opening, closing in _WRAPPING:
        inner = text[len(opening) : -len(closing)]
        if inner and text == opening + inner + closing and closing not in inner:
            return inner.strip()
    return None

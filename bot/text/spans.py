"""Reads the Markdown of one message-to-be: which spans must not be cut, what is open where, and where the room ends.

The reader only ever looks a few characters ahead, so what it has decided about a text stays decided when the text
grows: that is what keeps messages that are full as they are while an answer streams in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import regex

from bot.text.length import next_visible

FENCE_END = "\n```"
# Spans that cannot be closed and opened again: links and addresses.
ATOM = "["

# UTF-16 units kept free while a span of this sign is open: enough for its closing mark, and for the longest run of the
# sign that may stand at the end of a text before the next character tells what it means.
_RESERVES = {"*": 3, "_": 3, "`": 3, "~": 2, "|": 2, ATOM: 0}
_LOOKAHEAD = 128
_TOKEN = regex.compile(
    r"(?P<escape>\\[^\w\s])"
    r"|(?P<line>\n)"
    r"|(?P<code>`+)"
    r"|(?P<mark>\*+|_+|~+|\|+)"
    r"|(?P<link>\]\(?|\[)"
    r"|(?P<address>(?<![\w/.=&?%-])(?P<scheme>https?://)[^\s<>*|`)\]]+)"
)
_IN_CODE = regex.compile(r"(?P<line>\n)|(?P<code>`+)")
_IN_FENCE = regex.compile(r"(?P<fence>`{1,3})")
_IN_TARGET = regex.compile(r"(?P<target>[)\s])")
_FENCE_HEAD = regex.compile(
    r"[^\S\n]{0,12}(?:>[^\S\n]{0,12})?(?P<ticks>`{3})(?P<language>[A-Za-z0-9_+\-.#]{0,20})[^\S\n]{0,8}"
)
_BLANK_LINE = regex.compile(r"[^\S\n]*\n")


@dataclass(slots=True)
class Span:
    """A stretch between two marks; `end` is None while it is open, `fence` the line that opens a code block."""

    mark: str
    start: int
    inner: int
    end: int | None = None
    fence: str = ""

    def contains(self, index: int) -> bool:
        """Whether a cut at `index` would fall inside."""
        return self.start < index and (self.end is None or index < self.end)


class Cover:
    """The union of spans, for asking quickly whether an index lies inside one."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._starts: list[int] = []
        self._ends: list[float] = []
        for span in sorted(spans, key=lambda span: span.start):
            end = float("inf") if span.end is None else span.end
            if self._ends and span.start < self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(span.start)
                self._ends.append(end)

    def __contains__(self, index: int) -> bool:
        before = bisect_left(self._starts, index) - 1
        return before >= 0 and index < self._ends[before]


@dataclass(slots=True)
class Reader:
    """Reads `text[start:]` until it no longer fits into a message.

    `reach(units)` says how far that many UTF-16 units go from `start`; `units` is what the part may take, the marks
    it opens with left out. After `read`, `spans` holds every span (those that came to nothing left out), `open` the
    ones open at the end, and `settled` ends before a trailing mark whose meaning the next character decides.
    """

    text: str
    start: int
    units: int
    reach: Callable[[int], int]
    open: list[Span] = field(default_factory=list)
    closed: list[Span] = field(default_factory=list)
    dead: list[Span] = field(default_factory=list)
    settled: int = 0
    _pos: int = 0
    _room: int | None = None
    _enough: int = 0
    _far: int = 0
    _bracket: int | None = None

    @property
    def spans(self) -> list[Span]:
        """Closed and open spans."""
        return self.closed + self.open

    def read(self, *, fresh_line: bool) -> int | None:
        """The index of the first visible character that has no room, or None where all fits."""
        self.settled = len(self.text)
        self._pos = self.start
        self._enough = self.reach(self.units - sum(_RESERVES.values()) - len(FENCE_END))
        self._far = self.reach(self.units) + _LOOKAHEAD
        overflow = None if self.open or not fresh_line else self._begin_line()
        while overflow is None and self._pos < len(self.text):
            overflow = self._step()
        if overflow is not None and self._bracket is not None:
            self.open.append(Span(ATOM, self._bracket, self._bracket + 1))
        return overflow

    def _step(self) -> int | None:
        horizon = min(len(self.text), max(self._pos + _LOOKAHEAD, self._far))
        match = self._pattern().search(self.text, self._pos, horizon)
        plain_end = match.start() if match else horizon
        overflow = self._overflow(self._pos, plain_end)
        if overflow is not None:
            return overflow
        if match is None:
            self._pos = plain_end
            return None
        self._pos = match.end()
        return self._take(match)

    def _pattern(self) -> regex.Pattern[str]:
        innermost = self.open[-1] if self.open else None
        if innermost is None:
            return _TOKEN
        if innermost.fence:
            return _IN_FENCE
        if innermost.mark == ATOM:
            return _IN_TARGET
        return _IN_CODE if innermost.mark[0] == "`" else _TOKEN

    def _take(self, match: regex.Match[str]) -> int | None:
        begin, end = match.span()
        match match.lastgroup:
            case "line":
                overflow = self._begin_line()
            case "code":
                overflow = self._code(begin, end)
            case "fence":
                overflow = self._fence(begin, end)
            case "mark":
                overflow = self._emphasis(begin, end)
            case "link":
                overflow = self._link(begin, end)
            case "target":
                overflow = self._target(begin, end)
            case "address":
                overflow = self._address(begin, end, match.end("scheme"))
            case _:
                overflow = self._overflow(begin, end)
        return overflow

    def _overflow(self, begin: int, end: int) -> int | None:
        if end <= self._enough or end <= (room := self._room_end()):
            return None
        return next_visible(self.text, max(begin, room), end)

    def _room_end(self) -> int:
        """The index up to which plain text fits, with what is open closed behind it."""
        if self._room is None:
            inline = {span.mark[0] for span in self.open if not span.fence}
            reserve = sum(_RESERVES[sign] for sign in inline)
            reserve += len(FENCE_END) if any(span.fence for span in self.open) else 0
            self._room = self.reach(self.units - reserve)
        return self._room

    def _follows_space(self, begin: int) -> bool:
        return begin == self.start or self.text[begin - 1].isspace()

    def _push(self, span: Span) -> None:
        self.open.append(span)
        self._room = None

    def _close(self, span: Span, end: int) -> None:
        """Close a span; what was opened inside it and is still open was no mark at all."""
        depth = self.open.index(span)
        self.dead += self.open[depth + 1 :]
        del self.open[depth:]
        span.end = end
        self.closed.append(span)
        self._room = None

    def _drop(self, keep: Callable[[Span], bool]) -> None:
        self.dead += [span for span in self.open if not keep(span)]
        self.open = [span for span in self.open if keep(span)]
        self._room = None

    def _begin_line(self) -> int | None:
        """Spans that end with their line or paragraph end; a code block may begin."""
        self._bracket = None
        if self.open:
            self._drop(lambda span: span.mark[0] != "`")
        following = self.text[self._pos : self._pos + 1]
        if not following.isspace() and following not in ">`":
            return None
        if self.open and _BLANK_LINE.match(self.text, self._pos):
            # A spoiler that is cut loose would be read by those it is hidden from.
            self._drop(lambda span: span.mark == "||")
        head = _FENCE_HEAD.match(self.text, self._pos)
        if head is None:
            return None
        begin, end = self._pos, head.end()
        overflow = self._overflow(begin, end)
        if overflow is not None:
            if overflow >= head.end("ticks"):
                self.open.append(Span(ATOM, begin, begin))
            return overflow
        if end == len(self.text):
            self._pos, self.settled = end, begin
        elif self.text[end] == "\n":
            self._pos = end + 1
            self._push(Span("```", begin, end + 1, fence="```" + head["language"]))
        else:
            # As Discord has it, what is no language is the code's first line.
            self._pos = head.end("ticks")
            self._push(Span("```", begin, self._pos, fence="```"))
        return None

    def _fence(self, begin: int, end: int) -> int | None:
        # The line break and three backticks take what was reserved; a line break more, and there is no room.
        if end - begin == 3:
            if begin > self._room_end() + 1:
                return begin
            self._close(self.open[-1], end)
        elif end == len(self.text):
            self.settled = begin
        else:
            return self._overflow(begin, end)
        return None

    def _code(self, begin: int, end: int) -> int | None:
        innermost = self.open[-1] if self.open and self.open[-1].mark[0] == "`" else None
        lenient = innermost is not None and end - begin <= 3 and not self._follows_space(begin)
        overflow = None if lenient else self._overflow(begin, end)
        if overflow is not None:
            return overflow
        if end == len(self.text):
            self.settled = begin
        elif innermost is None and end - begin <= 3:
            self._push(Span(self.text[begin:end], begin, end))
        elif innermost is not None and innermost.mark == self.text[begin:end]:
            self._close(innermost, end)
        else:
            return self._overflow(begin, end)
        return None

    def _link(self, begin: int, end: int) -> int | None:
        overflow = self._overflow(begin, end)
        if overflow is not None:
            return overflow
        if self.text[begin] == "[":
            self._bracket = begin if self._bracket is None else self._bracket
        elif self._bracket is not None:
            if end - begin == 2:
                self._push(Span(ATOM, self._bracket, end))
            self._bracket = None
        return None

    def _target(self, begin: int, end: int) -> int | None:
        overflow = self._overflow(begin, end)
        if overflow is None:
            if self.text[begin] == ")":
                self._close(self.open[-1], end)
            else:
                self.open.pop()
                self._pos = begin
        return overflow

    def _address(self, begin: int, end: int, scheme_end: int) -> int | None:
        overflow = self._overflow(begin, end)
        if overflow is None:
            self.closed.append(Span(ATOM, begin, begin, end))
        elif overflow >= scheme_end:
            self.open.append(Span(ATOM, begin, begin))
        return overflow

    def _emphasis(self, begin: int, end: int) -> int | None:
        """Bold, italics, underline, strike and spoiler, by CommonMark's flanking rules, one of a kind at a time."""
        sign, length = self.text[begin], end - begin
        if length > (2 if sign in "~|" else 3):
            return self._overflow(begin, end)
        before = self.text[begin - 1] if begin > self.start else " "
        after = self.text[end : end + 1]
        closes = not before.isspace() and not (sign == "_" and after.isalnum())
        opens = not after.isspace() and not (sign == "_" and before.isalnum())
        if not after:
            self.settled = begin
            lenient = closes and any(span.mark[0] == sign for span in self.open)
            return None if lenient else self._overflow(begin, end)
        for span in self._closable(sign, length) if closes else ():
            begin += len(span.mark)
            self._close(span, begin)
        overflow = self._overflow(begin, end) if begin < end else None
        if overflow is None and begin < end and opens:
            self._open_emphasis(sign, begin, end)
        return overflow

    def _closable(self, sign: str, length: int) -> list[Span]:
        """The open spans that a run of `length` signs closes, innermost first."""
        found = [span for span in reversed(self.open) if span.mark[0] == sign]
        return found if length == 3 else [span for span in found if len(span.mark) == length]

    def _open_emphasis(self, sign: str, begin: int, end: int) -> None:
        for length in {1: (1,), 2: (2,), 3: (1, 2)}[end - begin]:
            mark = sign * length
            if mark not in "~|" and all(span.mark != mark for span in self.open):
                self._push(Span(mark, begin, end))

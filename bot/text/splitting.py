"""Splitting a text into Discord messages.

Stable under growth: all parts but the last stay what they are when more text comes, so that messages already posted
are never cut anew while an answer streams in. Linear in the text's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from bot.text.breaks import choose_cut
from bot.text.length import Ruler, measure, next_visible
from bot.text.spans import ATOM, FENCE_END, Reader, Span

__all__ = ["LEAST_LIMIT", "MESSAGE_LIMIT", "Part", "measure", "split"]

MESSAGE_LIMIT = 2000
# Below this, what re-opens and closes the spans at a cut could leave no room for text.
LEAST_LIMIT = 64

_ZERO_WIDTH_SPACE = "\u200b"
_BLOCK_MARK = regex.compile(r"(?:#{1,3}|-#|>|>>>|[-*+]|[0-9]{1,9}[.)])[^\S\n]")
_QUOTE_MARK = regex.compile(r"[^\S\n]{0,12}>[^\S\n]")
_BLANK_LINES = regex.compile(r"(?:[^\S\n]*\n)*")
_TICKS = regex.compile(r"`{3}")


@dataclass(frozen=True, slots=True)
class Part:
    """One message: `text` is what to post, `source[start:end]` of the text that was split is what it shows."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Seam:
    """Where a part begins, and what the part before left open there."""

    start: int
    fresh_line: bool = True
    marks: tuple[str, ...] = ()
    fence: str = ""
    quoted: bool = False

    def opened(self) -> list[Span]:
        before = self.start - 1
        fence = [Span("```", before, self.start, fence=self.fence)] if self.fence else []
        return fence + [Span(mark, before, self.start) for mark in self.marks]

    def cost(self, text: str) -> int:
        """UTF-16 units of the longest prefix that the part may need."""
        if self.fence:
            return len(self.fence) + 1
        escape = not self.fresh_line and text[self.start] in "#->*+0123456789"
        return 2 * self.quoted + escape + sum(map(len, self.marks))

    def prefix(self, text: str, marks: Sequence[str]) -> str:
        """What the part starts with so that it reads as if it had not been cut off."""
        if self.fence:
            return self.fence + "\n"
        # In the middle of a line `#` or `>` is no heading or quote, at a message's beginning it would be one.
        escape = not self.fresh_line and _BLOCK_MARK.match(text, self.start)
        return "> " * self.quoted + (_ZERO_WIDTH_SPACE if escape else "") + "".join(marks)


def split(
    text: str, limit: int = MESSAGE_LIMIT, first_limit: int | None = None, *, growing: bool = False
) -> list[Part]:
    """Split a text into messages of at most `limit` code points and UTF-16 units each (`first_limit` for the first).

    Cuts go after a paragraph, a line, a sentence, a clause, a word, or else between graphemes, and only inside a
    grapheme that is longer than a message. A code block is closed and opened again with its language, and so are
    bold, italics, underline, strike, spoiler and inline code where one cannot be kept in one piece; links and
    addresses are cut only when longer than a message. White space at cuts is dropped. No part is blank, and a blank
    text has none.

    `growing` says that more text may come: the last part then closes what is open in it, and leaves out a mark at its
    end that means nothing yet. All other parts are the same either way.

    Raises:
        ValueError: a limit is below LEAST_LIMIT.
    """
    first_limit = limit if first_limit is None else first_limit
    if min(limit, first_limit) < LEAST_LIMIT:
        raise ValueError(f"a limit must be at least {LEAST_LIMIT}")
    parts: list[Part] = []
    start = next_visible(text, 0, len(text))
    seam = None if start is None else _Seam(start)
    while seam is not None:
        part, seam = _next_part(text, seam, limit if parts else first_limit, growing=growing)
        if part is not None:
            parts.append(part)
    return parts


def _next_part(text: str, seam: _Seam, limit: int, *, growing: bool) -> tuple[Part | None, _Seam | None]:
    opened = seam.opened()
    ruler = Ruler(text, seam.start, limit + 1)
    reader = Reader(text, seam.start, limit - seam.cost(text), ruler.reach, open=list(opened))
    overflow = reader.read(fresh_line=seam.fresh_line)
    alive = [span.mark for span in opened if span not in reader.dead]
    prefix = seam.prefix(text, alive)
    if overflow is None:
        return _last_part(text, seam.start, prefix, reader, growing=growing), None
    cut = choose_cut(text, seam.start, overflow, reader.spans)
    cut_open = sorted((span for span in reader.spans if span.contains(cut)), key=lambda span: span.start)
    fence = next((span.fence for span in cut_open if span.fence), "")
    marks = () if fence else tuple(span.mark for span in cut_open if span.mark != ATOM)
    body = text[seam.start : cut].rstrip()
    end, following = _resume(text, seam, cut, marks, fence)
    return Part(
        prefix + body + _closing(marks, fence), seam.start, max(end, seam.start + len(body))
    ), following


def _closing(marks: Sequence[str], fence: str) -> str:
    return FENCE_END if fence else "".join(reversed(marks))


def _resume(text: str, seam: _Seam, cut: int, marks: tuple[str, ...], fence: str) -> tuple[int, _Seam | None]:
    """The source's end where the cut swallows a fence, and the seam of the next part, if anything follows."""
    following = next_visible(text, cut, len(text))
    if fence and following is not None and _TICKS.match(text, following):
        # The code block would end right after the cut, and is closed already.
        end, fence = following + 3, ""
        following = next_visible(text, end, len(text))
    else:
        end = cut
    if following is None:
        return (end if end > cut else 0), None
    fresh_line = "\n" in text[max(end - 1, seam.start) : following]
    if fence:
        lines = _BLANK_LINES.match(text, end)
        indented = lines.end() if lines else following
        following = indented if following - indented <= 16 else following
    quoted = False if fresh_line or fence else _in_quote(text, seam, cut)
    return (end if end > cut else 0), _Seam(following, fresh_line, marks, fence, quoted)


def _in_quote(text: str, seam: _Seam, cut: int) -> bool:
    line = text.rfind("\n", seam.start, cut) + 1
    if line == 0 and not seam.fresh_line:
        return seam.quoted
    return _QUOTE_MARK.match(text, line or seam.start) is not None


def _last_part(text: str, start: int, prefix: str, reader: Reader, *, growing: bool) -> Part | None:
    end = start + len(text[start:].rstrip())
    body = text[start : max(start, reader.settled)] if growing else text[start:]
    body = body.rstrip()
    fence = next((span for span in reader.open if span.fence), None)
    marks: list[str] = []
    if growing:
        for span in reversed(reader.open):
            if span.start >= start and next_visible(body, span.inner - start, len(body)) is None:
                body = body[: span.start - start].rstrip()  # nothing of it is there yet
            elif not span.fence and span.mark != ATOM:
                marks.insert(0, span.mark)
    if fence is not None:
        body = text[start : max(start, reader.settled)].rstrip() if not growing else body
        if next_visible(text, fence.inner, reader.settled) is not None:
            return Part(prefix + body + FENCE_END, start, end)
    if not body:
        return None
    return Part(prefix + body + "".join(reversed(marks)), start, end)

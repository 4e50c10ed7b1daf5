"""Block Markdown in text that is not ours: headings levelled to bold, quotes that would swallow the rest of a message
kept to their line, floods of blank lines dried. Code blocks are left as they are."""

from __future__ import annotations

import regex

from bot.text.length import BLANK

# Blank lines in a row beyond this are dropped.
_MOST_BLANK_LINES = 2

_SPACE = r"[^\S\n]"
# What a line may begin with, outermost first: quotes, list items, small print, headings.
_SIGN = r"(?:>++|[-*+]|[0-9]{1,9}[.)]|-\#|\#{1,6})"
_LEAD = regex.compile(rf"(?:{_SPACE}*+{_SIGN}{_SPACE}++)*+")
_MARKER = regex.compile(rf"(?P<space>{_SPACE}*+)(?P<sign>{_SIGN})(?P<gap>{_SPACE}++)")
_UNDECIDED = regex.compile(
    rf"(?:{_SPACE}*+{_SIGN}{_SPACE}++)*+{_SPACE}*+(?:>++|[-*+]|[0-9]{{1,9}}[.)]?|-\#|\#{{1,6}})?"
)
_BOLD = regex.compile(r"\*{2,}")
_INVISIBLE = regex.compile(rf"[{BLANK}\p{{Cf}}\u2800\u3164\u115f\u1160\uffa0]*")
_FENCE = regex.compile(rf"{_SPACE}{{0,12}}(?:>{_SPACE}{{0,12}})?```")


def level_blocks(text: str, *, growing: bool = False) -> str:
    """The text with `# Title` as `**Title**`, `-# small` as `small`, `>>> ` and `>> ` as `> `, at most two blank lines
    in a row, none at either end. Idempotent, at most two characters longer for each heading.

    `growing` leaves the last line's heading open and keeps back what may turn out to be a marker.
    """
    out: list[str] = []
    in_code = False
    blank_lines = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line:
            blank_lines += 1
            continue
        unfinished = growing and number == len(lines) - 1
        shown = line if in_code else _level(line, unfinished=unfinished)
        if in_code or _FENCE.match(shown):
            in_code = line.count("```") == (0 if in_code else 1)
        if _INVISIBLE.fullmatch(shown):
            blank_lines += 1
            continue
        if out:
            out.append("\n" * (1 + min(blank_lines, _MOST_BLANK_LINES)))
        out.append(shown)
        blank_lines = 0
    return "".join(out)


def is_invisible(text: str) -> bool:
    """Whether nothing of the text would be seen."""
    return _INVISIBLE.fullmatch(text) is not None


def _level(line: str, *, unfinished: bool) -> str:
    if unfinished and _UNDECIDED.fullmatch(line):
        return ""
    lead = _LEAD.match(line)
    end = lead.end() if lead else 0
    kept, heading, quoted = "", False, False
    for marker in _MARKER.finditer(line, 0, end):
        sign = marker["sign"]
        if sign[0] == ">":
            kept += "" if quoted else "> "
            quoted = True
        elif "#" in sign:
            heading = heading or sign[0] == "#"
        else:
            kept += marker.group()
    content = line[end:]
    return kept + (_bold(content, unfinished=unfinished) if heading else content)


def _bold(content: str, *, unfinished: bool) -> str:
    """A heading's content as bold text, its own bold marks and closing `#` left out."""
    if unfinished:
        end = len(content)
        while end and (content[end - 1].isspace() or content[end - 1] in "#*\\"):
            end -= 1
        content = _BOLD.sub("", content[:end])
        return "**" + content if content else ""
    content = _BOLD.sub("", content).rstrip()
    title = content.rstrip("#")
    content = (content if title and not title[-1].isspace() else title).rstrip().rstrip("\\").rstrip()
    return f"**{content}**" if content else ""

"""Discord's own marks in text that is not ours: mentions, custom emoji, timestamps and the like, made plain.

The forms are those of https://discord.com/developers/docs/reference#message-formatting. What a mark would show is put
in its place where it can be known without asking Discord.
"""

from __future__ import annotations

from datetime import UTC, datetime

import regex

ZERO_WIDTH_SPACE = "\u200b"

_MARK = regex.compile(
    r"<(?:@[!&]?(?P<person>[0-9]{1,20})"
    r"|\#(?P<channel>[0-9]{1,20})"
    r"|(?P<command>/[\w\- ]{1,100}):[0-9]{1,20}"
    r"|a?(?P<emoji>:\w{1,32}:)[0-9]{1,20}"
    r"|t:(?P<time>-?[0-9]{1,20})(?::[A-Za-z])?"
    r"|id:(?P<place>customize|browse|guide|home|linked-roles))>"
)
_LONGEST = 130
_EVERYBODY = regex.compile("@(?=everyone|here)", regex.IGNORECASE)
_EVERYBODY_PENDING = regex.compile("@(?:e|ev|eve|ever|every|everyo|everyon|h|he|her)?\\Z", regex.IGNORECASE)


def without_mentions(text: str, *, growing: bool = False) -> str:
    """The text with Discord's marks made plain: `<@1>` → `@1`, `<:smile:1>` → `:smile:`, `<t:0>` → `1970-01-01`, and
    a zero-width space in `@everyone` and `@here`. At most twice as long, and idempotent.

    `growing` keeps back an unfinished mark at the end.
    """
    if growing:
        text = text[: _settled(text)]
    out: list[str] = []
    last = 0
    for match in _MARK.finditer(text):
        between = text[last : match.start()]
        out.append(between)
        # Where an earlier `<` is open, the plain form could complete a mark with what stands around it.
        angle = text.rfind("<", max(0, match.start() - _LONGEST), match.start())
        if angle > text.rfind(">", max(0, match.start() - _LONGEST), match.start()):
            out.append(ZERO_WIDTH_SPACE)
        out.append(_plain(match))
        last = match.end()
    out.append(text[last:])
    return _EVERYBODY.sub("@" + ZERO_WIDTH_SPACE, "".join(out))


def _plain(match: regex.Match[str]) -> str:
    if match["time"]:
        return _date(int(match["time"]))
    if match["person"]:
        return "@" + str(match["person"])
    if match["channel"]:
        return "#" + str(match["channel"])
    return str(match["command"] or match["emoji"] or match["place"])


def _date(seconds: int) -> str:
    """The day of a Unix time in UTC, as ISO 8601 has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "?"


def _settled(text: str) -> int:
    """Where an unfinished mark at the text's end begins."""
    angle = text.rfind("<", max(0, len(text) - _LONGEST))
    if angle >= 0:
        match = _MARK.fullmatch(text, angle, partial=True)
        if match is not None and match.partial:
            return angle
    everybody = _EVERYBODY_PENDING.search(text)
    return everybody.start() if everybody else len(text)

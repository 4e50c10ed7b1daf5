"""The characters of a text: line ends made one, invisible control removed, writing direction closed on each line.

`clean(text, growing=True)` keeps back what the next character may still change, so that its result begins the result
of every longer text.
"""

from __future__ import annotations

import regex

# Marks on one letter beyond this are no language's but a tower that covers the lines above.
_MOST_MARKS = 8
# Directional embeddings and isolates deeper than this are dropped.
_DEEPEST = 8

_LINE_END = regex.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,8}\U000e007f"
# Control characters but tab and newline, byte order marks, invisible operators, deprecated and interlinear controls,
# non-characters, and tag characters (invisible ASCII) that spell no flag.
_UNWANTED = regex.compile(
    rf"(?P<flag>{_FLAG})|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u2061-\u2064\u206a-\u206f\ufff9-\ufffb\ufffe\uffff"
    r"\U000e0000-\U000e007f]"
)
_PENDING = regex.compile("(?:\r|\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{0,8})\\Z")
_SURROGATE = regex.compile("[\ud800-\udfff]")
_TOWER = regex.compile(rf"([\p{{Mn}}\p{{Me}}]{{{_MOST_MARKS}}})[\p{{Mn}}\p{{Me}}]+")
_DIRECTIONAL = regex.compile("[\u202a-\u202e\u2066-\u2069]")
_DIRECTION_OR_END = regex.compile("[\u202a-\u202e\u2066-\u2069\n]")

_POP_EMBEDDING = "\u202c"
_POP_ISOLATE = "\u2069"
# Embeddings, overrides (which are dropped, and their ends with them) and isolates.
_CLOSED_BY = dict.fromkeys("\u202a\u202b", _POP_EMBEDDING)
_CLOSED_BY |= dict.fromkeys("\u202d\u202e", "")
_CLOSED_BY |= dict.fromkeys("\u2066\u2067\u2068", _POP_ISOLATE)


def clean(text: str, *, growing: bool = False) -> str:
    """The text without control characters, with balanced directional ones. At most one character longer for each
    directional character, otherwise never longer."""
    if growing:
        text = _PENDING.sub("", text)
    text = _SURROGATE.sub("\ufffd", text)
    text = _LINE_END.sub("\n", text)
    text = _UNWANTED.sub(lambda match: match["flag"] or "", text)
    return _balance(text, growing=growing)


def without_towers(text: str) -> str:
    """The text with no more combining marks on one letter than a language could need."""
    return _TOWER.sub(r"\1", text)


def without_direction(text: str) -> str:
    """The text without embeddings, overrides and isolates."""
    return _DIRECTIONAL.sub("", text)


def _balance(text: str, *, growing: bool) -> str:
    """Overrides dropped; embeddings and isolates closed on their line, paired as in Unicode Annex 9."""
    if not _DIRECTIONAL.search(text):
        return text
    out: list[str] = []
    stack: list[str] = []  # what closes each open one; "" where the opening was dropped
    last = 0
    for match in _DIRECTION_OR_END.finditer(text):
        out.append(text[last : match.start()])
        last = match.end()
        out.append(_direction(match.group(), stack))
    out.append(text[last:])
    if not growing:
        out += reversed(stack)
    return "".join(out)


def _direction(char: str, stack: list[str]) -> str:
    """What stands for one directional character or line end; `stack` is brought up to date."""
    if char == "\n":
        closing = "".join(reversed(stack))
        stack.clear()
        return closing + "\n"
    if char in _CLOSED_BY:
        if len(stack) >= _DEEPEST:
            return ""
        stack.append(_CLOSED_BY[char])
        return char if stack[-1] else ""
    if char == _POP_EMBEDDING:
        return stack.pop() if stack and stack[-1] != _POP_ISOLATE else ""
    if _POP_ISOLATE not in stack:
        return ""
    closing = ""
    while not closing.endswith(_POP_ISOLATE):
        closing += stack.pop()
    return closing

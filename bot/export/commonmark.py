"""The tree of a text as CommonMark that reads the same everywhere: what is no mark is escaped, breaks are written
out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import regex
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bot.export import xhtml
from bot.export.prose import safe_url

RULE = "___"
"""A scene break; of the three ways to write one, that which no list can be mistaken for."""

_SPECIAL = regex.compile(
    r"[\\`*_\[\]]|<(?=[A-Za-z/!?])|&(?=[A-Za-z#])|~(?=~|\Z)|(?<=~)~|\A~|(?<=\s)#(?=#*\s*\Z)"
)
# What would begin a block of its own where it stands first in a line.
_STARTS_BLOCK = regex.compile(
    r"\A(?P<before>[ \t]*)(?:(?P<number>\d{1,9})(?=[.)](?:\s|\Z))"
    r"|(?=#{1,6}(?:\s|\Z)|[-+](?:\s|\Z)|>|=+\s*\Z|-[-\s]*\Z|~~~|[|:][-|:\s]*\Z))"
)
_LISTS = ("bullet_list", "ordered_list")
_OTHER_MARK = {"-": "+", "+": "*", "*": "-", ".": ")", ")": "."}
"""For a list right behind one of the same mark, which would be read as that one going on."""
_RUN_OF_TICKS = regex.compile("`+")


def blocks(nodes: Iterable[SyntaxTreeNode], *, below: int, between: str = "\n\n") -> str:
    """The blocks, with a blank line `between` each; headings in the text stand below one of level `below`."""
    written: list[str] = []
    before: tuple[str, str] | None = None
    for node in nodes:
        mark = _OTHER_MARK[node.markup] if before == (node.type, node.markup) else node.markup
        before = (node.type, mark) if node.type in _LISTS else None
        if text := _block(node, below, mark):
            written.append(text)
    return between.join(written)


def escape(text: str) -> str:
    """A string that is to be read as it stands, in one line."""
    return _at_line_start(_SPECIAL.sub(r"\\\g<0>", " ".join(text.split())))


def quote(text: str) -> str:
    """Markdown as a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def link(label: str, address: str | None) -> str:
    """A label (a string), linked where there is a good address."""
    url = safe_url(address) if address else None
    return f"[{escape(label)}](<{url}>)" if url else escape(label)


def _block(node: SyntaxTreeNode, below: int, mark: str) -> str:  # noqa: PLR0911 -- one return a kind of block
    if node.type == "paragraph":
        return _inline(node.children)
    if node.type == "heading":
        level = min(6, int(node.tag[1]) + below)
        return f"{'#' * level} {_inline(node.children)}".rstrip()
    if node.type == "hr":
        return RULE
    if node.type == "fence":
        ticks = max([2, *(len(run) for run in _RUN_OF_TICKS.findall(node.content))]) + 1
        return f"{'`' * ticks}\n{node.content.rstrip()}\n{'`' * ticks}"
    if node.type == "blockquote":
        return quote(blocks(node.children, below=below)) or ">"
    if node.type in _LISTS:
        return _list(node, below, mark)
    return blocks(node.children, below=below)


def _list(node: SyntaxTreeNode, below: int, mark: str) -> str:
    tight = not any(
        block.type == "paragraph" and not block.hidden for item in node.children for block in item.children
    )
    number = int(node.attrs.get("start", 1))
    items = []
    for place, item in enumerate(node.children):
        own = mark if node.type == "bullet_list" else f"{number + place}{mark}"
        items.append(_item(own, item.children, below, tight=tight))
    return ("\n" if tight else "\n\n").join(items)


def _item(mark: str, children: Sequence[SyntaxTreeNode], below: int, *, tight: bool) -> str:
    body = blocks(children, below=below, between="\n" if tight else "\n\n")
    indent = " " * (len(mark) + 1)
    lines = [f"{indent}{line}" if line else "" for line in body.split("\n")]
    return f"{mark} {lines[0][len(indent) :]}".rstrip() + "".join(f"\n{line}" for line in lines[1:])


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    """The phrases as lines; where marks meet in such a way that they would be read as others, without them."""
    written = _lines(_joined(nodes))
    return written if _reads_as(written, nodes) else _lines(_joined(nodes, marked=False))


def _lines(text: str) -> str:
    return "\\\n".join(map(_at_line_start, text.split("\\\n")))


def _reads_as(written: str, nodes: Sequence[SyntaxTreeNode]) -> bool:
    again = SyntaxTreeNode(_reader().parse(written)).children
    (said, *more) = [*xhtml.blocks(again, below=0), ""]
    return not any(more) and said.removeprefix("<p>").removesuffix("</p>") == xhtml.phrases(nodes)


@cache
def _reader() -> MarkdownIt:
    """How others read it."""
    return MarkdownIt("commonmark").enable("strikethrough")


def _joined(nodes: Iterable[SyntaxTreeNode], *, marked: bool = True) -> str:
    """The phrases, one behind the other, with or without the marks of emphasis. A «!» in front of a link would make a
    picture of it."""
    text = ""
    for phrase in (_phrase(node, marked=marked) for node in nodes):
        if phrase.startswith("[") and text.endswith("!"):
            text = f"{text[:-1]}\\!"
        text += phrase
    return text


def _at_line_start(line: str) -> str:
    """The line, so that it begins no block."""
    return _STARTS_BLOCK.sub(lambda found: f"{found['before']}{found['number'] or ''}\\", line, count=1)


def _phrase(node: SyntaxTreeNode, *, marked: bool) -> str:
    if node.type == "text":
        return _SPECIAL.sub(r"\\\g<0>", node.content)
    if node.type in ("softbreak", "hardbreak"):
        return "\\\n"
    if node.type == "code_inline":
        return _code(node.content)
    inner = _joined(node.children, marked=marked)
    if node.type == "link":
        url = safe_url(str(node.attrs.get("href", "")))
        return f"[{inner}](<{url}>)" if url else inner
    if node.type == "inline" or not marked:
        return inner
    return f"{node.markup}{inner}{node.markup}"


def _code(content: str) -> str:
    runs = {len(run) for run in _RUN_OF_TICKS.findall(content)}
    ticks = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    spaced = content.startswith(" ") and content.endswith(" ") and content.strip()
    padded = f" {content} " if spaced or "`" in (content[0], content[-1]) else content
    return f"{ticks}{padded}{ticks}"

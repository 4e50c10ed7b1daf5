"""The text of a turn as a tree: Markdown the way Discord shows it, read as CommonMark.

Discord differs: every line end shows, a quote is its line alone, HTML and entities are plain characters, and there are
spoilers and small print, which a book has not. The tree is markdown-it's; `xhtml` and `markdown` write it.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import quote, urlsplit, urlunsplit

import regex
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bot.text.cleaning import clean, without_towers
from bot.text.mentions import without_mentions

_FENCE = regex.compile(r" {0,3}(```+|~~~+)")
_DEEP_QUOTE = regex.compile(r"\A\s*>>>\s")
_NO_QUOTE = regex.compile(r"\A(\s*)>(?!\s)")
_SMALL_PRINT = regex.compile(r"\A\s*-#\s")
_QUOTE = regex.compile(r"\A\s*>(?:\s|\Z)")
_ITEM = regex.compile(r"\A\s*(?:[-*+]|\d{1,9}[.)])(?:\s|\Z)")
_RULE = regex.compile(r"\A\s*(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})\Z")
_SPOILER = regex.compile(r"\|\|(?=\S)(.+?)(?<=\S)\|\|", regex.DOTALL)
_HOST = regex.compile(
    r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", regex.IGNORECASE
)
_STRAY_PERCENT = regex.compile(r"%(?![0-9A-Fa-f]{2})")


def parse(text: str) -> SyntaxTreeNode:
    """The tree of a text that a member or the model wrote; mentions are made plain on the way."""
    plain = without_mentions(without_towers(clean(text)))
    return SyntaxTreeNode(_reader().parse(_as_commonmark(_SPOILER.sub(r"\1", plain))))


def plain_text(node: SyntaxTreeNode) -> str:
    """What stands in a node, without its marks; breaks become blanks, blocks become lines."""
    if node.type in ("text", "code_inline", "fence"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return " "
    joint = "" if node.type in ("inline", "paragraph", "heading") or _is_inline(node) else "\n"
    return joint.join(filter(None, map(plain_text, node.children)))


def split_heading(root: SyntaxTreeNode) -> tuple[str | None, list[SyntaxTreeNode]]:
    """The heading that a text begins with, where it does and more follows, and the other blocks."""
    blocks = list(root.children)
    if len(blocks) > 1 and blocks[0].type == "heading":
        title = " ".join(plain_text(blocks[0]).split())
        if title:
            return title, blocks[1:]
    return None, blocks


def safe_url(address: str) -> str | None:
    """An http(s) address in the form that every reader takes, or None where it is none."""
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port
        path, query, fragment = (_quoted(each) for each in (parts.path, parts.query, parts.fragment))
    except (ValueError, UnicodeError):  # half of a surrogate pair, too
        return None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or parts.username is not None:
        return None
    return urlunsplit((parts.scheme, f"{host}:{port}" if port else host, path, query, fragment))


def _quoted(part: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", part), safe="/?%:@!$&'()*+,;=-._~")


def _is_inline(node: SyntaxTreeNode) -> bool:
    return node.type in ("em", "strong", "s", "link")


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False})
    reader.enable("strikethrough")
    return reader.disable(
        ["html_block", "html_inline", "entity", "code", "lheading", "reference", "image", "autolink"]
    )


def _as_commonmark(text: str) -> str:
    """The lines with what Discord reads otherwise written the way that CommonMark has it."""
    lines: list[str] = []
    fence, before = "", ""
    for said in text.split("\n"):
        mark = _FENCE.match(said)
        if fence or mark:
            if mark and not fence:
                fence = mark[1]
            elif mark and mark[1].startswith(fence):
                fence = ""
            lines.append(said)
            before = "text"
            continue
        line = _NO_QUOTE.sub(r"\1\\>", _SMALL_PRINT.sub("", _DEEP_QUOTE.sub("> ", said)))
        kind = _kind(line, before)
        if kind == "text" and before in ("quote", "item"):
            lines.append("")  # what follows a quote or a list in the next line is no part of it
        lines.append(line)
        before = kind
    return "\n".join(lines)


def _kind(line: str, before: str) -> str:
    """Whether a line is part of a quote, of a list, of a paragraph, or blank ("")."""
    if not line.strip():
        return ""
    if _QUOTE.match(line):
        return "quote"
    if _RULE.match(line):
        return "text"
    if _ITEM.match(line) or (before == "item" and line[0] in " \t"):
        return "item"
    return "text"

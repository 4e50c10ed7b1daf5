"""The tree of a text as XHTML: only elements and attributes that both EPUB 3 and the Archive of Our Own take, and no
line end but in preformatted text, since the Archive makes a break of each."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from markdown_it.tree import SyntaxTreeNode

from bot.export.prose import safe_url

_WRAPPED = {"em": "em", "strong": "strong", "s": "s", "blockquote": "blockquote", "bullet_list": "ul"}


def blocks(nodes: Iterable[SyntaxTreeNode], *, below: int) -> list[str]:
    """Each block as an element; headings in the text stand below a heading of level `below`."""
    return [_block(node, below) for node in nodes]


def text(value: str) -> str:
    """A string as character data."""
    return escape(value)


def attribute(value: str) -> str:
    """A string as an attribute's value, with its quotes."""
    return quoteattr(value)


def link(label: str, address: str | None) -> str:
    """A label (a string), linked where there is a good address."""
    url = safe_url(address) if address else None
    return f"<a href={attribute(url)}>{text(label)}</a>" if url else text(label)


def _block(node: SyntaxTreeNode, below: int) -> str:  # noqa: PLR0911 -- one return a kind of block
    if node.type == "paragraph":
        inner = phrases(node.children)
        return inner if node.hidden else f"<p>{inner}</p>"
    if node.type == "heading":
        level = min(6, int(node.tag[1]) + below)
        return f"<h{level}>{phrases(node.children)}</h{level}>"
    if node.type == "hr":
        return "<hr />"
    if node.type == "fence":
        return f"<pre><code>{text(node.content.rstrip())}</code></pre>"
    inner = "".join(_block(child, below) for child in node.children)
    if node.type == "ordered_list":
        start = node.attrs.get("start")
        return f"<ol start={attribute(str(start))}>{inner}</ol>" if start is not None else f"<ol>{inner}</ol>"
    if node.type == "list_item":
        return f"<li>{inner}</li>"
    name = _WRAPPED[node.type]
    return f"<{name}>{inner}</{name}>"


def phrases(nodes: Iterable[SyntaxTreeNode]) -> str:
    """What stands within a paragraph."""
    return "".join(map(_phrase, nodes))


def _phrase(node: SyntaxTreeNode) -> str:
    if node.type == "text":
        return text(node.content)
    if node.type in ("softbreak", "hardbreak"):
        return "<br />"
    if node.type == "code_inline":
        return f"<code>{text(node.content)}</code>"
    inner = phrases(node.children)
    if node.type == "link":
        url = safe_url(str(node.attrs.get("href", "")))
        return f"<a href={attribute(url)}>{inner}</a>" if url else inner
    if node.type == "inline":
        return inner
    # Two underscores underline on Discord.
    name = "u" if node.type == "strong" and node.markup == "__" else _WRAPPED[node.type]
    return f"<{name}>{inner}</{name}>"

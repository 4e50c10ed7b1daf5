"""Text as Discord shows it, in a tree, and the tree written again."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bot.export import commonmark, xhtml
from bot.export.prose import parse, plain_text, safe_url, split_heading

MARKS = st.sampled_from(
    [
        "*", "**", "_", "__", "~~", "`", "``", "```", "[a](https://e.org/x)", "[", "](", "]", "#", " ", "    ", "\n",
        "\n\n", "- ", "+ ", "1. ", "2) ", "> ", ">>> ", "-# ", "a", "猫", "я", "!", "<b>", "&amp;", "&", "\\", "---",
        "===", "|", "||", '"', ".", "~~~", ":", "x1", "<@1>", "@here",
    ]
)  # fmt: skip


def html(text: str) -> str:
    return "".join(xhtml.blocks(parse(text).children, below=0))


@given(st.lists(MARKS, max_size=16).map("".join))
@example("![a](https://e.org/x)")
@example("\\![a](https://e.org/x)")
@example("*\n\n\n*")
@example("[](2) ")
@example("_* _*___")
@example("*_***_*_*")
def test_what_is_written_as_commonmark_reads_as_what_was_said(text: str) -> None:
    read, said = reading(text), html(text)
    # Where marks of emphasis meet in an odd way, the words are there without them.
    assert _shown(read) == _shown(said) or _EMPHASIS.sub("", _shown(read)) == _EMPHASIS.sub("", _shown(said))


@given(
    st.lists(st.sampled_from(["*a*", "**b**", "_c_", "__d__", "~~e~~", " ", ".", "\n"]), max_size=8).map(
        " ".join
    )
)
def test_emphasis_that_stands_by_itself_is_kept(text: str) -> None:
    assert reading(text) == html(text)


_EMPHASIS = re.compile("</?(?:em|strong|u|s)>")


def _shown(page: str) -> str:
    return page.replace("<p></p>", "")


def reading(text: str) -> str:
    """What others read in what is written."""
    written = commonmark.blocks(parse(text).children, below=0)
    anyone = MarkdownIt("commonmark").enable("strikethrough")
    return "".join(xhtml.blocks(SyntaxTreeNode(anyone.parse(written)).children, below=0))


@given(st.text(max_size=60))
def test_any_text_can_be_written(text: str) -> None:
    html(text)
    commonmark.blocks(parse(text).children, below=0)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("one\ntwo", "<p>one<br />two</p>"),
        (
            "**b** *i* ***bi*** ~~s~~",
            "<p><strong>b</strong> <em>i</em> <em><strong>bi</strong></em> <s>s</s></p>",
        ),
        ("__under__", "<p><u>under</u></p>"),
        ("a ||secret|| b", "<p>a secret b</p>"),
        ("<b>x</b> &amp; &lt;", "<p>&lt;b&gt;x&lt;/b&gt; &amp;amp; &amp;lt;</p>"),
        ("> said\nnot said", "<blockquote><p>said</p></blockquote><p>not said</p>"),
        (">no quote", "<p>&gt;no quote</p>"),
        (">>> a\nb", "<blockquote><p>a</p></blockquote><p>b</p>"),
        ("- a\n  - b\nend", "<ul><li>a<ul><li>b</li></ul></li></ul><p>end</p>"),
        ("3. x\n4. y", '<ol start="3"><li>x</li><li>y</li></ol>'),
        ("before\n---\nafter", "<p>before</p><hr /><p>after</p>"),
        ("    indented", "<p>indented</p>"),
        ("-# small", "<p>small</p>"),
        ("[ok](https://e.org/a?b=1&c=2)", '<p><a href="https://e.org/a?b=1&amp;c=2">ok</a></p>'),
        ("[no](javascript:alert(1))", "<p>[no](javascript:alert(1))</p>"),
        ("[no](https://a:b@e.org/)", "<p>no</p>"),
        ("![x](https://e.org/x.png)", '<p>!<a href="https://e.org/x.png">x</a></p>'),
        ("<@123> and <#4> <:smile:5>", "<p>@123 and #4 :smile:</p>"),
        ("```py\na < b\n```", "<pre><code>a &lt; b</code></pre>"),
    ],
)
def test_discords_markdown_becomes_html(said: str, shown: str) -> None:
    assert html(said) == shown


def test_a_heading_that_a_text_begins_with_is_its_title() -> None:
    title, rest = split_heading(parse("## The *first* night\nIt was dark."))
    assert title == "The first night"
    assert [plain_text(node) for node in rest] == ["It was dark."]


def test_a_heading_alone_is_no_title() -> None:
    title, rest = split_heading(parse("# Only this"))
    assert title is None
    assert len(rest) == 1


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        (
            "https://fi.wikipedia.org/wiki/Väinämöinen",
            "https://fi.wikipedia.org/wiki/V%C3%A4in%C3%A4m%C3%B6inen",
        ),
        ("http://bücher.example:8080/a b?c=%zz#d", "http://xn--bcher-kva.example:8080/a%20b?c=%25zz#d"),
        ("https://e.org/%C3%A4", "https://e.org/%C3%A4"),
        ("ftp://e.org/", None),
        ("https://user@e.org/", None),
        ("https://exa_mple.org/", None),
        ("https://e.org:99999/", None),
        ("https://[::1", None),
        ("//e.org", None),
    ],
)
def test_addresses_are_made_safe_or_left_out(address: str, safe: str | None) -> None:
    assert safe_url(address) == safe

"""Stories for the Archive of Our Own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from bot.export.ao3 import as_ao3_form, as_ao3_html
from bot.export.details import RATINGS, WARNINGS
from tests.bot.export.stories import TEXTS, story

# The elements and attributes that the Archive's sanitizer lets through (otwarchive, `sanitizer_config.rb`).
ELEMENTS = frozenset(
    re.findall(
        r"\w+",
        "a abbr acronym address b big blockquote br caption center cite code col colgroup dd del dfn div dl dt em h1 "
        "h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th "
        "thead tr tt u ul var",
    )
)
ATTRIBUTES = {"a": {"href", "name"}, "ol": {"start", "type"}}
EVERYWHERE = {"align", "title", "dir"}


class Reader(HTMLParser):
    """Collects what stands in a fragment, and what it may not have."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.breaks_in_source: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = EVERYWHERE | ATTRIBUTES.get(tag, set())
        self.refused += [tag] * (tag not in ELEMENTS)
        self.refused += [f"{tag} {name}" for name, _ in attrs if name not in allowed]
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and "pre" not in self.open and "\n" in data:
            self.breaks_in_source.append(data)


def read(fragment: str) -> Reader:
    reader = Reader()
    reader.feed(fragment)
    reader.close()
    assert not reader.open
    return reader


@pytest.mark.parametrize("with_talk", [False, True])
@pytest.mark.parametrize("code", TEXTS)
def test_the_text_has_nothing_that_the_archive_drops(code: str, with_talk: bool) -> None:
    (fragment,) = as_ao3_html(story(code, with_talk=with_talk))
    reader = read(fragment)
    assert reader.refused == []
    assert reader.breaks_in_source == [], "the Archive makes a break of each"
    assert "Built with Meta Llama 3" in reader.text


def test_a_text_from_right_to_left_says_so_in_each_block() -> None:
    (fragment,) = as_ao3_html(story("ar"))
    blocks = [block for block in fragment.split("\n\n") if block.strip() and block.strip() != "<hr />"]
    assert all(' dir="rtl"' in block.split(">")[0] for block in blocks)


def test_a_text_beyond_the_archives_limit_comes_in_chapters() -> None:
    whole = as_ao3_html(story("fi"))[0]
    pieces = as_ao3_html(story("fi"), limit=len(whole) - 2)
    assert len(pieces) == 2
    assert all(len(piece) < len(whole) for piece in pieces)
    # Only the rule between the two is not needed any more.
    assert read(whole).text.replace("\n", "") == "".join(read(piece).text for piece in pieces).replace(
        "\n", ""
    )


def test_the_form_has_the_archives_fields_and_words() -> None:
    form = as_ao3_form(story("fi"))
    fields = dict(block.split(":\n", 1) for block in form.strip().split("\n\n"))
    assert fields["Rating"] in RATINGS
    assert fields["Archive Warnings"] == WARNINGS[0] == "Creator Chose Not To Use Archive Warnings"
    assert fields["Work Title"] == TEXTS["fi"][0]
    assert fields["Summary"] == TEXTS["fi"][1]
    assert fields["Additional Tags"] == "a & b, <c>"
    assert fields["Language"] == "Suomi"

"""The look-up tag: read leniently, shown never, and nothing else lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.languages import LANGUAGES
from model.lookup_tag import MAX_TAG_LINE, MAX_TERM, Lookup, Reply, TagFilter, format_reply, parse_reply
from tests.model.shipped_chats import shipped_chats


def test_every_shipped_answer_is_read_and_written_back_exactly() -> None:
    for chat in shipped_chats():
        first = chat["messages"][1]["content"]
        reply = parse_reply(first, chat["language"])
        assert reply.lookup == (Lookup(**chat["lookup"]) if chat["lookup"] else None), chat["id"]
        assert format_reply(reply) == first
        assert ">>>" not in reply.text


@pytest.mark.parametrize(
    "tag",
    [
        ">>> 해리 포터\n>>> ko",
        ">>>해리 포터\n>>>ko",
        ">>> 해리 포터\n\n>>> ko\n",
        "\n\n  >>>   해리 포터  \n\t>>> ko  \n\n",
        "》》》해리 포터\n》》》ko",
        "＞＞＞ 해리 포터\n＞＞＞ ko",
        ">>>> 해리 포터\n>>>> ko",
        ">>> search term: 해리 포터\n>>> language code: ko",
        ">>> Wikipedia search term：해리 포터\n>>> Language: Korean",
        ">>> 해리 포터\n>>> ko-KR",
        ">>> 해리 포터\n>>> 한국어",
        ">>> 해리 포터\n>>> KO (Korean)",
        ">>> «해리 포터»\n>>> `ko`",
        "**>>> 해리 포터**\n**>>> ko**",
        ">>> [[해리 포터]]\n>>> ko.",
        ">>> ko\n>>> 해리 포터",
        ">>> 해리 포터 >>> ko",
        ">>> 해리 포터\r\n>>> ko\r\n",
        ">>> 해리 포터\n>>> ko\n>>> 호그와트\n>>> ko",
    ],
)
def test_a_sloppy_tag_means_the_same(tag: str) -> None:
    assert parse_reply(f"마법사예요.\n{tag}", "en") == Reply("마법사예요.", Lookup("해리 포터", "ko"))


def test_a_tag_on_the_sentence_s_own_line_is_found_by_its_language() -> None:
    assert parse_reply("Let me see. >>> Dune\n>>> en", "sv") == Reply("Let me see.", Lookup("Dune", "en"))
    assert parse_reply("Let me see. >>> Dune >>> en", "sv") == Reply("Let me see.", Lookup("Dune", "en"))


@pytest.mark.parametrize("code", ["xx", "tlh", "", "1", "en.evil.example/"])
def test_a_code_that_is_none_of_the_forty_gives_way_to_the_conversation_s(code: str) -> None:
    assert parse_reply(f"a\n>>> Dune\n>>> {code}", "sv").lookup in {
        Lookup("Dune", "sv"),
        Lookup("Dune", "en"),
    }


def test_a_lone_term_is_looked_up_in_the_conversation_s_language() -> None:
    assert parse_reply("Vänta.\n\n>>> Näcken", "sv") == Reply("Vänta.", Lookup("Näcken", "sv"))


def test_titles_that_look_like_codes_or_schemes_are_titles() -> None:
    assert parse_reply(">>> It\n>>> en", "sv").lookup == Lookup("It", "en")
    assert parse_reply(">>> Re:Zero\n>>> ja", "sv").lookup == Lookup("Re:Zero", "ja")
    assert parse_reply(">>> .hack//Sign\n>>> en", "sv").lookup == Lookup(".hack//Sign", "en")


@pytest.mark.parametrize(
    "term",
    [
        "",
        "...",
        "https://example.org/x",
        "javascript:alert(1)",
        "www.example.org",
        "x" * (MAX_TERM + 1),
        "search term",
    ],
)
def test_a_term_that_is_no_title_is_hidden_and_not_looked_up(term: str) -> None:
    assert parse_reply(f"Text.\n\n>>> {term}\n>>> en", "en") == Reply("Text.", None)


def test_terms_are_plain() -> None:
    reply = parse_reply(">>> Ha\u202erry\u200b \x07Pot\u00a0ter\n>>> en", "en")
    assert reply.lookup == Lookup("Harry Pot ter", "en")
    persian = "می\u200cخواهم"
    assert parse_reply(f">>> {persian}\n>>> fa", "en").lookup == Lookup(persian, "fa")


@pytest.mark.parametrize(
    "text",
    [
        "Write\n>>> foo\nand go on.",
        ">>> a quote of the whole message, in Discord's way " + "x" * MAX_TAG_LINE,
        "1 >> 2, a >>> b",
        "He said >>> wow",
        "»Ja«, sagte er.\n\n»Nein«",
        "> quoted\n>> twice",
        "ends with blanks \n\n",
        "",
    ],
)
def test_text_without_a_tag_comes_through_as_it_is(text: str) -> None:
    assert parse_reply(text, "en") == Reply(text, None)
    assert _streamed(list(text)) == Reply(text, None)


def test_a_reply_that_is_nothing_but_a_tag_shows_nothing() -> None:
    assert parse_reply(">>> Dune\n>>> en", "sv") == Reply("", Lookup("Dune", "en"))
    assert _streamed([">", ">> Du", "ne\n", ">>> e", "n"]) == Reply("", Lookup("Dune", "en"))


def test_what_cannot_be_a_tag_is_shown_at_once() -> None:
    tags = TagFilter("en")
    assert tags.feed("Hello") == "Hello"
    assert tags.feed(" ") == ""
    assert tags.feed("there, a > b") == " there, a > b"
    assert tags.feed("\n\n>>") == ""
    assert tags.feed(" no tag") == "\n\n>> no tag"
    assert tags.feed("\n>>> Dune") == ""
    assert tags.feed("\nand on") == "\n>>> Dune\nand on"
    assert tags.feed("\n\n>>> Dune\n>>> en") == ""
    assert tags.finish() == Reply("", Lookup("Dune", "en"))


def _streamed(deltas: list[str]) -> Reply:
    tags = TagFilter("en")
    shown = "".join(map(tags.feed, deltas))
    end = tags.finish()
    return Reply(shown + end.text, end.lookup)


_bits = st.sampled_from(
    [
        ">", ">>", ">>>", ">>> ", "》》》", "＞", "»", "\n", "\n\n", " ", "\r\n", "*", "`", "ko", "en", "Dune",
        "term: ", ">>> x\n", "x" * 140, "해리", "\u202e", "🙂", "a >>> b >>> en", "\n>>> Dune\n>>> en",
    ]
)  # fmt: skip
_texts = st.one_of(st.lists(_bits, max_size=14).map("".join), st.text(max_size=60))


@given(text=_texts, data=st.data())
@example(text="x >>> " + "y" * 299 + "\n>>> Dune >>> en", data=None)
def test_streaming_shows_the_same_however_the_text_is_cut(text: str, data: st.DataObject | None) -> None:
    cuts = [] if data is None else sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    deltas = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert _streamed(deltas) == parse_reply(text, "en")


@given(text=_texts)
def test_whatever_has_been_shown_is_the_beginning_of_the_reply(text: str) -> None:
    whole = parse_reply(text, "en").text
    tags, shown = TagFilter("en"), ""
    for character in text:
        shown += tags.feed(character)
        assert whole.startswith(shown)


@given(text=_texts)
def test_what_is_shown_has_no_tag_left_in_it_and_lacks_only_the_tag(text: str) -> None:
    reply = parse_reply(text, "en")
    assert parse_reply(reply.text, "en") == Reply(reply.text, None)
    assert text.startswith(reply.text)
    hidden = text[len(reply.text) :].strip()
    assert not hidden or any(mark in hidden for mark in (">>>", "》", "＞", "»"))


@given(text=_texts)
def test_a_lookup_is_always_plain_and_in_one_of_the_forty(text: str) -> None:
    lookup = parse_reply(text, "en").lookup
    if lookup is not None:
        assert lookup.language in LANGUAGES
        assert 0 < len(lookup.term) <= MAX_TERM
        assert lookup.term.replace("\u200c", "").replace("\u200d", "").isprintable()
        assert lookup.term == lookup.term.strip()
        assert "://" not in lookup.term


@given(
    term=st.text(st.characters(categories=["L", "Nd"]), min_size=3, max_size=40), text=st.text(max_size=80)
)
def test_what_format_reply_writes_parse_reply_reads(term: str, text: str) -> None:
    reply = Reply(parse_reply(text, "en").text.rstrip(), Lookup(term, "en"))
    assert parse_reply(format_reply(reply), "sv") == reply


TEN_MB = 10_000_000


@pytest.mark.parametrize(
    ("tag", "term"),
    [
        (">>> " + "x" * TEN_MB + "\n>>> en", "en"),
        (">" * TEN_MB, None),
        (">>> Dune\n" * 30_000, "Dune"),
        (">>> Dune\n" + "\n" * 50_000, "Dune"),
        (" " * TEN_MB + ">>> Dune", "Dune"),
    ],
    ids=["term", "marker", "lines", "blank", "lead"],
)
def test_a_huge_tag_is_read_at_once_and_asks_for_a_plain_term_at_most(tag: str, term: str | None) -> None:
    lookup = parse_reply(f"Yes.\n{tag}", "en").lookup
    assert lookup == (Lookup(term, "en") if term else None)


@pytest.mark.parametrize("delta", [">>> Dune\n", "`>>> Dune`\n\n"])
def test_a_model_that_writes_tags_without_end_is_listened_to_line_by_line(delta: str) -> None:
    """With a look back over all lines for each piece, this would take minutes."""
    tags = TagFilter("en")
    assert not "".join(tags.feed(delta) for _ in range(5_000))
    assert tags.finish().text == ""

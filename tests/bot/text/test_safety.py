"""What generated text goes through before it is shown."""

from __future__ import annotations

import time
import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.text.safety import for_embed, for_message, for_title
from bot.text.splitting import measure, split
from tests.bot.text.texts import anything, hostile, markdown

DISCORD_MARK = regex.compile(
    r"<(@[!&]?\d+|#\d+|/[\w -]+:\d+|a?:\w+:\d+|t:-?\d+(:\w)?|id:\w[\w-]*)>", regex.ASCII
)
LOUD_LINE = regex.compile(r"\s*(#{1,3}|-#|>>>)\s")


@settings(max_examples=80, deadline=None)
@given(anything)
def test_making_safe_twice_is_making_safe_once(text):
    assert for_message(for_message(text)) == for_message(text)


@settings(max_examples=70, deadline=None)
@given(anything)
def test_it_never_grows_to_more_than_twice_the_length(text):
    before, after = measure(text), measure(for_message(text))
    assert after[0] <= 2 * before[0]
    assert after[1] <= 2 * before[1]


@settings(max_examples=70, deadline=None)
@given(anything, st.data())
def test_a_growing_text_only_ever_gains_at_its_end(text, data):
    earlier = text[: data.draw(st.integers(0, len(text)))]
    assert for_message(text).startswith(for_message(earlier, growing=True))
    assert for_message(text, growing=True).startswith(for_message(earlier, growing=True))


@settings(max_examples=30, deadline=None)
@given(hostile)
def test_a_growing_text_gains_at_its_end_with_every_character(text):
    final = for_message(text)
    for end in range(len(text)):
        assert final.startswith(for_message(text[:end], growing=True))


@settings(max_examples=70, deadline=None)
@given(hostile, st.data(), st.integers(64, 120))
def test_posted_messages_are_not_cut_anew_while_hostile_text_streams_in(text, data, limit):
    earlier = text[: data.draw(st.integers(0, len(text)))]
    full = split(for_message(earlier, growing=True), limit, growing=True)[:-1]
    assert split(for_message(text), limit)[: len(full)] == full


@settings(max_examples=80, deadline=None)
@given(hostile)
def test_nothing_in_it_looks_like_a_mention_or_a_mark_of_discords(text):
    for shown in (for_message(text), for_title(text), for_embed(text, 100)):
        assert not DISCORD_MARK.search(shown)
        assert "@everyone" not in shown
        assert "@here" not in shown
    for part in split(for_message(text), 64):
        assert not DISCORD_MARK.search(part.text)


@settings(max_examples=80, deadline=None)
@given(hostile)
def test_masked_links_lead_to_the_web_and_say_so(text):
    for match in regex.finditer(r"\[([^\[\]\n]*)\]\(([^)]*)\)", for_message(text)):
        assert regex.match(r"<?https?://", match[2])
        assert "://" not in match[1]
        assert match[1].strip()


@settings(max_examples=70, deadline=None)
@given(hostile)
def test_no_control_characters_stay_and_directions_are_closed_on_their_line(text):
    for line in for_message(text).split("\n"):
        stack = []
        for char in line:
            assert char == "\t" or unicodedata.category(char) not in ("Cc", "Cs")
            assert char not in "\u202d\u202e\u2028\u2029\ufeff"
            if char in "\u202a\u202b\u2066\u2067\u2068":
                stack.append("\u202c" if char in "\u202a\u202b" else "\u2069")
            elif char in "\u202c\u2069":
                assert stack
                assert stack.pop() == char
        assert not stack


@settings(max_examples=70, deadline=None)
@given(st.one_of(hostile, markdown).filter(lambda text: "```" not in text))
def test_no_line_shouts_whispers_or_swallows_the_rest(text):
    for line in for_message(text).split("\n"):
        assert not LOUD_LINE.match(line)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hi <@123> and <@!45>, <@&6> in <#7>", "Hi @123 and @45, @6 in #7"),
        ("@everyone, @here!", "@\u200beveryone, @\u200bhere!"),
        ("use </story start:99>", "use /story start"),
        ("so <:smile:1> <a:wave:2>", "so :smile: :wave:"),
        ("on <t:0:R>, <t:1700000000>", "on 1970-01-01, 2023-11-14"),
        ("<t:99999999999999999999>", "?"),
        ("in <id:browse>", "in browse"),
        ("<<@1>>", "<\u200b@1>"),
        ("<a<:x:5>5>", "<a\u200b:x:5>"),
        ("a <3 and 5 < 6 > 4, <tag>", "a <3 and 5 < 6 > 4, <tag>"),
        ("mail@example.org", "mail@example.org"),
    ],
)
def test_marks_of_discords_become_plain(text, shown):
    assert for_message(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[the page](https://example.org/a_(b)?c=d#e)", None),
        ("[the page](<https://example.org>)", None),
        ("[see [this] page](http://example.org)", None),
        ("[x](javascript:alert(1))", "[x] (javascript:alert(1))"),
        ("[x](/wiki/X)", "[x] (/wiki/X)"),
        ("[https://good.org](https://evil.org)", "[https://good.org] (https://evil.org)"),
        ("[good.org](https://evil.org)", "[good.org] (https://evil.org)"),
        ("[go\u200bod.org](https://evil.org)", "[go\u200bod.org] (https://evil.org)"),
        ("[](https://evil.org)", "[] (https://evil.org)"),
        ("[x](https://good.org@evil.org)", "[x] (https://good.org@evil.org)"),
        ('[x](https://evil.org "https://good.org")', '[x] (https://evil.org "https://good.org")'),
        ("Mr. [Naruto vs. Sasuke](https://example.org)", None),
    ],
)
def test_masked_links_that_hide_something_are_broken(text, shown):
    assert for_message(text) == (text if shown is None else shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# One\n## Two ##\n#### Four", "**One**\n**Two**\n**Four**"),
        ("# The **big** day", "**The big day**"),
        ("# *Title*", "***Title***"),
        ("- # One\n  - two", "- **One**\n  - two"),
        ("-# small", "small"),
        ("-# # both", "**both**"),
        ("#hashtag #1", "#hashtag #1"),
        ("# C#", "**C#**"),
        (">>> all\nof it", "> all\nof it"),
        ("> a quote\n>> deeper", "> a quote\n>> deeper"),
        (">> deeper", ">> deeper"),
        ("> # loud", "> **loud**"),
        ("```py\n# a comment\n>>> code\n```\n# One", "```py\n# a comment\n>>> code\n```\n**One**"),
        ("a\n\n\n\n\n\nb\n\n", "a\n\n\nb"),
        ("# \n#", "#"),
        (">> ```\n```\n# One", "> ```\n```\n**One**"),
    ],
)
def test_blocks_are_levelled(text, shown):
    shown = shown.replace(">> deeper", "> deeper")
    assert for_message(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[1mc\x7f\x85d\ufeff", "ab[1mc\nd"),
        ("a\r\nb\rc\u2028d\x0be", "a\nb\nc\nd\ne"),
        ("\u202eevil\u202c!", "evil!"),
        ("a \u2067שלום\nb \u2069c", "a \u2067שלום\u2069\nb c"),
        ("\u2067a \u202bb\u2069", "\u2067a \u202bb\u202c\u2069"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 8),
        ("a\U000e0041\U000e0042", "a"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
        ("\ud83d!", "\ufffd!"),
        ("می‌خواهم", None),
        ("👩‍👩‍👧‍👦 לְבָבְךָ֥ ที่นี่ क्षि", None),
    ],
)
def test_characters_are_cleaned_and_what_languages_need_stays(text, shown):
    assert for_message(text) == (text if shown is None else shown)


def test_a_title_is_one_plain_line():
    assert for_title("# **The *Last* Letter**\n\nof [Hermione](https://x.org) ~~and~~ `Ron`") == (
        "The Last Letter of Hermione and Ron"
    )
    assert for_title("  > _snake_case_ stays  ") == "snake_case stays"
    assert for_title("@everyone come to <#5>") == "@\u200beveryone come to #5"
    assert for_title("\u2800 \n") == ""


def test_a_title_from_right_to_left_is_isolated():
    assert for_title("הסיפור") == "\u2068הסיפור\u2069"
    assert for_title("\u202eabc") == "abc"


def test_a_title_is_cut_between_graphemes_with_an_ellipsis():
    assert for_title("👩‍👩‍👧‍👦" * 20, 25) == "👩‍👩‍👧‍👦" * 2 + "…"
    assert for_title("x" * 101) == "x" * 99 + "…"
    assert for_title("x" * 100) == "x" * 100


@settings(max_examples=70, deadline=None)
@given(anything, st.integers(8, 100))
def test_titles_fit_are_one_line_and_come_out_of_it_unchanged(text, limit):
    title = for_title(text, limit)
    assert max(measure(title)) <= limit
    assert len(title.splitlines()) <= 1
    assert not set("*`\\") & set(title)
    assert for_title(title, limit) == title


@settings(max_examples=70, deadline=None)
@given(anything, st.integers(65, 200))
def test_embeds_fit(text, limit):
    assert max(measure(for_embed(text, limit))) <= limit


def test_an_embed_is_cut_at_a_sentence_with_an_ellipsis():
    text = "It was a dark night. " * 20
    assert for_embed(text, 100) == ("It was a dark night. " * 4).strip() + "…"
    assert for_embed("x" * 100, 100) == "x" * 100


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 50_000, "[a" * 30_000, "[](" * 30_000, "](https://" + "a" * 50_000),
        *("<" * 50_000, "<@1>" * 20_000, "@here" * 20_000, "🏴" * 30_000),
        *("# " * 30_000, "- " * 30_000 + "x", "-  " * 30_000 + "`", "# " + "* " * 30_000 + "x"),
        *("\u0301" * 50_000, "\u2067" * 50_000, "\n" * 50_000, "x" + " " * 50_000 + "x", "**~" * 20_000),
    ],
)
def test_hostile_texts_take_no_long_time(text):
    started = time.process_time()
    for_message(text)
    for_message(text, growing=True)
    for_title(text)
    assert time.process_time() - started < 2

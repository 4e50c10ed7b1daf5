"""Splitting into messages."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.text.splitting import MESSAGE_LIMIT, Part, measure, split
from tests.bot.text.texts import anything, markdown, prose

limits = st.integers(64, 160)


def visible(text: str) -> str:
    return "".join(text.split())


def texts(parts: list[Part]) -> list[str]:
    return [part.text for part in parts]


@settings(max_examples=70, deadline=None)
@given(anything, limits, limits, st.booleans())
def test_every_part_fits_in_both_counts_and_shows_something(text, limit, first_limit, growing):
    for number, part in enumerate(split(text, limit, first_limit, growing=growing)):
        assert max(measure(part.text)) <= (limit if number else first_limit)
        assert part.text.strip()


@settings(max_examples=70, deadline=None)
@given(anything, limits)
def test_the_parts_show_the_whole_text_but_white_space_at_cuts(text, limit):
    parts = split(text, limit)
    slices = [text[part.start : part.end] for part in parts]
    shown = visible("".join(slices))
    assert (
        visible(text).removeprefix(shown).strip("`") == ""
    )  # a code block that was never filled may be left out
    for part, source in zip(parts, slices, strict=True):
        assert source.removesuffix("```").rstrip().removesuffix("`").removesuffix("`").rstrip() in part.text


@settings(max_examples=70, deadline=None)
@given(anything, st.data(), limits, st.booleans())
def test_full_parts_stay_as_they_are_while_the_text_grows(text, data, limit, growing):
    earlier = text[: data.draw(st.integers(0, len(text)))]
    full = split(earlier, limit, growing=growing)[:-1]
    assert split(text, limit)[: len(full)] == full


@settings(max_examples=30, deadline=None)
@given(markdown, limits)
def test_full_parts_stay_while_the_text_comes_character_by_character(text, limit):
    final = split(text, limit)
    for end in range(len(text)):
        full = split(text[:end], limit, growing=True)[:-1]
        assert final[: len(full)] == full


@settings(max_examples=70, deadline=None)
@given(anything, limits)
def test_no_grapheme_is_cut_that_fits(text, limit):
    boundaries, longest = {0}, 0
    for match in regex.finditer(r"\X", text):
        boundaries.add(match.start())
        longest = max(longest, measure(match.group())[1])
    if longest <= 8 and not regex.search(r"[*_~|`]\p{M}", text):
        assert {part.start for part in split(text, limit)} <= boundaries


@given(st.integers(0, 40), st.sampled_from(["", "py", "c++"]), st.integers(64, 200), st.booleans())
@settings(max_examples=30, deadline=None)
def test_code_blocks_are_closed_and_opened_again_with_their_language(lines, language, limit, closed):
    code = "\n".join(f"    line = {number}" for number in range(lines + 1))
    text = f"Look at this:\n```{language}\n{code}" + ("\n```\nThat was it." if closed else "")
    parts = split(text, limit)
    shown = []
    for part in parts:
        assert part.text.count("```") in (0, 2)
        block = regex.search(r"```(.*)\n((?s:.*?))\n```", part.text)
        if block:
            assert block[1] == language
            shown += block[2].split("\n")
    assert shown == code.split("\n")


def test_a_short_text_is_one_part():
    assert split("Once upon a time.") == [Part("Once upon a time.", 0, 17)]


@pytest.mark.parametrize("text", ["", " \n\t\n ", "\n" * 50_000, "\x1c\x85"])
def test_a_blank_text_has_no_parts(text):
    assert split(text) == []


def test_a_text_of_exactly_the_limit_is_one_part():
    assert len(split("x" * 2000)) == 1
    assert len(split("😀" * 1000)) == 1
    assert len(split("x" * 2001)) == 2
    assert len(split("😀" * 1001)) == 2


def test_paragraphs_come_before_sentences_before_clauses_before_words():
    tail = "word " * 40
    assert texts(split(f"{'x' * 60}\n\n{'y' * 20}. And {tail}", 100))[0] == "x" * 60
    assert texts(split(f"{'x' * 60}. Then {'y' * 20}, and {tail}", 100))[0] == "x" * 60 + "."
    assert texts(split(f"{'x' * 60}, then {tail}", 100))[0] == "x" * 60 + ","
    assert texts(split(f"{'x' * 60} then{'y' * 100}", 100))[0] == "x" * 60


@pytest.mark.parametrize(
    "sentence",
    [
        "The door opened. ",
        "«Tu viens ?» ",
        "门开了。",
        "「もう行くの？」",
        "هل تأتي معي؟ ",
        "دروازہ کھل گیا۔ ",
        "दरवाज़ा खुल गया। ",
        "Դուռը բացվեց։ ",
        "ประตูเปิดออก ",
        "문이 열렸다. ",
        "Дверь открылась! ",
    ],
)
def test_cuts_follow_sentence_ends_of_every_script(sentence):
    parts = split(sentence * 80, 200)
    assert len(parts) > 1
    for part in parts:
        assert part.text.startswith(sentence.strip())
        assert part.text.endswith(sentence.strip()[-1])


def test_titles_initials_and_ordinals_end_no_sentence():
    text = "x" * 60 + ". Then " + "Mr. Holmes met J. R. Smith on the 3. Mai " * 3
    assert texts(split(text, 110))[0] == "x" * 60 + "."


def test_cjk_lines_do_not_begin_with_a_closing_mark():
    for part in split("他说着走着想着，" + "走" * 300, 64):
        assert part.text[0] not in "，。！？」』）"


def test_a_span_is_kept_whole_where_it_fits():
    text = "x " * 30 + "**" + "bold words " * 8 + "here**" + " and on" * 30
    whole = "**" + "bold words " * 8 + "here**"
    assert any(whole in part for part in texts(split(text, 130)))


def test_links_and_addresses_are_kept_whole():
    link = "[the whole story so far](https://example.org/a/long/path_with_underscores)"
    for before in range(0, 140, 7):
        parts = texts(split("字" * before + link + " " + "word " * 40, 140))
        assert any(link in part for part in parts)


@pytest.mark.parametrize("mark", ["*", "**", "__", "~~", "||", "***"])
def test_a_span_longer_than_a_message_is_closed_and_opened_again(mark):
    parts = texts(split(f"{mark}{'so it went on and on. ' * 30}The end{mark} of it", 200))
    assert len(parts) > 3
    for part in parts[:-1]:
        assert part.startswith(mark)
        assert part.endswith(mark)
    assert parts[-1].endswith(f"{mark} of it")


def test_a_cut_does_not_part_a_mark_from_what_it_opens():
    text = "！" * 60 + "_" + "走" * 60 + "_"
    assert texts(split(text, 64))[:2] == ["！" * 60, "_" + "走" * 60 + "_"]


def test_a_lone_asterisk_spoils_one_paragraph_at_most():
    parts = texts(split("He paid *5 for it.\n\n" + "And so it went on. " * 40, 200))
    assert all("*" not in part for part in parts[1:])


def test_a_quoted_line_goes_on_as_a_quote():
    parts = texts(split("> " + "They went on and on. " * 20, 150))
    assert all(part.startswith("> ") for part in parts)


def test_a_cut_makes_no_heading_list_or_quote():
    parts = texts(split("word # " * 200, 100))
    assert len(parts) > 3
    assert not any(regex.match(r"[#>*-]", part) for part in parts)


def test_a_heading_is_not_left_alone_at_the_end():
    parts = texts(split("x" * 120 + "\n\n**Chapter two**\n\n" + "It was dark. " * 20, 160))
    assert parts[0] == "x" * 120
    assert parts[1].startswith("**Chapter two**\n\nIt was")


def test_a_growing_text_closes_what_is_open():
    assert texts(split("a ||secr", growing=True)) == ["a ||secr||"]
    assert texts(split("a **bo", growing=True)) == ["a **bo**"]
    assert texts(split("a **", growing=True)) == ["a"]
    assert texts(split("a **bold*", growing=True)) == ["a **bold**"]
    assert texts(split("a\n```py", growing=True)) == ["a"]
    assert texts(split("a\n```py\nx", growing=True)) == ["a\n```py\nx\n```"]
    assert texts(split("a\n```py\nx\n``", growing=True)) == ["a\n```py\nx\n```"]


def test_a_finished_text_closes_code_blocks_only():
    assert texts(split("5 * 3 **is")) == ["5 * 3 **is"]
    assert texts(split("```py\nx = 1")) == ["```py\nx = 1\n```"]


def test_the_first_part_may_have_a_limit_of_its_own():
    parts = split("word " * 100, 200, 100)
    assert measure(parts[0].text)[1] <= 100 < measure(parts[1].text)[1]


def test_limits_too_small_are_refused():
    with pytest.raises(ValueError, match="64"):
        split("x", 63)


def test_measure_counts_code_points_and_utf16_units():
    assert measure("aé漢😀") == (4, 5)
    assert measure("👩‍👩‍👧‍👦" * 400) == (2800, 4400)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 50_000,
        "e" + "\u0301" * 10_000,
        "👩‍👩‍👧‍👦" * 9_000,
        "👩" + "\u200d👩" * 5_000,
        "🇰🇷" * 9_000,
        "*a" * 20_000,
        "||" * 20_000,
        "[" * 20_000,
        "`a" * 20_000,
        "x" + " " * 50_000 + "x",
        "```\n" * 10_000,
        "# " * 20_000,
    ],
)
def test_pathological_texts_are_split_in_reasonable_time(text):
    started = time.process_time()
    parts = split(text)
    assert time.process_time() - started < 2
    assert visible("".join(text[part.start : part.end] for part in parts)).strip("`") == visible(text).strip(
        "`"
    )
    assert all(max(measure(part.text)) <= MESSAGE_LIMIT for part in parts)


def test_a_hundred_thousand_characters_take_a_tenth_of_a_second():
    text = ('"Hello," said she, *slowly*. And then, one after another, they went on! Did they?\n\n' * 1300)[
        :100_000
    ]
    split(text[:5000])
    times = []
    for _ in range(5):
        started = time.process_time()
        split(text)
        times.append(time.process_time() - started)
    assert min(times) < 0.1


def test_time_grows_with_the_length_and_not_its_square():
    def cost(text: str) -> float:
        times = []
        for _ in range(3):
            started = time.process_time()
            split(text)
            times.append(time.process_time() - started)
        return min(times)

    text = "One long line without an end, and on it goes; 走走走。 " * 800
    assert cost(text * 8) < 24 * cost(text)


@given(prose)
@settings(max_examples=30, deadline=None)
def test_prose_is_never_given_marks(text):
    for part in split(text, 64):
        assert part.text.removeprefix("\u200b") in text

"""Sentences keep their direction, whatever is put into them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from bot.words import LOCALES, words_in
from bot.words.direction import ISOLATE, POP, RIGHT_TO_LEFT_MARK, filled, inside
from model.languages import LANGUAGES

FROM_THE_RIGHT = [code for code, language in LANGUAGES.items() if language.direction == "rtl"]
NAME, ARABIC = "Zoë & Max (2)!", "محمد (٢)!"
COMMAND = re.compile(r"/[a-z][a-z-]*( [a-z-]+)*|/[\u0590-\u06ff]")


def messages(code: str) -> list[tuple[Message, str]]:
    """Each message of a catalogue with each of its forms."""
    with Path(LOCALES / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    found: list[tuple[Message, str]] = []
    for message in catalogue:
        forms = (message.string,) if isinstance(message.string, str) else message.string
        found += [(message, form) for form in forms if message.id and form]
    return found


def names(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def outside_isolates(line: str) -> str:
    """What of a line decides its direction and could be turned round."""
    depth, kept = 0, ""
    for char in line:
        depth += (char in "\u2066\u2067\u2068") - (char == POP)
        kept += char if not depth and char != POP else ""
    return kept


def direction_of(line: str) -> str:
    classes = [unicodedata.bidirectional(char) for char in outside_isolates(line)]
    return next((each for each in classes if each in ("L", "R", "AL")), "")


def alone(template: str) -> set[str]:
    """The placeholders that have a line of their own."""
    lines = [line.strip() for line in template.split("\n")]
    return {line[1:-1] for line in lines if re.fullmatch(r"\{\w+\}", line)}


def test_three_languages_are_written_from_right_to_left() -> None:
    assert FROM_THE_RIGHT == ["ar", "fa", "he"]


@pytest.mark.parametrize("code", FROM_THE_RIGHT)
def test_every_message_isolates_what_is_put_into_it(code: str) -> None:
    checked = 0
    for message, form in messages(code):
        wanted = set(names(form)) - alone(form)
        text = filled(form, dict.fromkeys(names(form), NAME), right_to_left=True)
        assert text.count(f"{ISOLATE}{NAME}{POP}") == sum(name in wanted for name in names(form)), message.id
        checked += bool(wanted)
    assert checked > 100


@pytest.mark.parametrize("code", FROM_THE_RIGHT)
def test_every_line_with_words_goes_from_right_to_left(code: str) -> None:
    for message, form in messages(code):
        text = filled(form, dict.fromkeys(names(form), NAME), right_to_left=True)
        for line, template in zip(text.split("\n"), form.split("\n"), strict=True):
            if re.search("[\u0590-\u06ff]", outside_isolates(line)) or "{" in template.strip()[1:]:
                assert direction_of(line) in ("R", "AL"), message.id


@pytest.mark.parametrize("code", FROM_THE_RIGHT)
def test_commands_are_isolated_in_every_message(code: str) -> None:
    checked = 0
    for message, form in messages(code):
        text = filled(form, dict.fromkeys(names(form), "1"), right_to_left=True)
        for line in text.split("\n"):
            assert not COMMAND.search(" ".join(outside_isolates(line).split("**")[1::2])), message.id
        checked += text.count(f"**{ISOLATE}/")
    assert checked > 5


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
def test_an_arabic_name_does_not_turn_any_sentence_round(code: str) -> None:
    right_to_left = LANGUAGES[code].direction == "rtl"
    for message, form in messages(code):
        wanted = [name for name in names(form) if name not in alone(form)]
        text = filled(form, dict.fromkeys(names(form), ARABIC), right_to_left=right_to_left)
        assert text.count(f"{ISOLATE}{ARABIC}{POP}") == len(wanted), message.id


def test_what_reads_the_same_way_stays_bare() -> None:
    words = words_in("en")
    assert words.say("**{name}** begins a story:", name="Zoë") == "**Zoë** begins a story:"
    assert words.say("The trainer would not do it: {reason}", reason="<#12>") == (
        "The trainer would not do it: <#12>"
    )


@pytest.mark.parametrize(
    "text",
    ["12", "1,200", "1٫5", "https://discord.com/channels/1/2/3", "two\nlines", "", f"{ISOLATE}{NAME}{POP}"],
)
def test_numbers_addresses_blocks_and_isolates_are_left_alone(text: str) -> None:
    assert inside(text, right_to_left=True) == text


def test_two_isolates_side_by_side_are_one_value() -> None:
    both = f"{ISOLATE}a{POP} / {ISOLATE}b{POP}"
    assert inside(both, right_to_left=True) == f"{ISOLATE}{both}{POP}"


@pytest.mark.parametrize("mention", ["<#12>", "<@12>", "<@&12>", "<t:1700000000:R>", "</story start:12>"])
def test_mentions_stay_whole_in_an_isolate(mention: str) -> None:
    assert filled("قبل {what} بعد", {"what": mention}, right_to_left=True) == (
        f"قبل {ISOLATE}{mention}{POP} بعد"
    )


def test_marks_of_markdown_stay_at_the_beginning_of_their_line() -> None:
    assert filled("-# {who}: {n}", {"who": "Ada", "n": 3}, right_to_left=True) == (
        f"-# {RIGHT_TO_LEFT_MARK}{ISOLATE}Ada{POP}: 3"
    )
    assert filled("كتب:\n{text}", {"text": "# Ada"}, right_to_left=True) == "كتب:\n# Ada"


def test_code_is_isolated_from_outside() -> None:
    assert filled("اكتب `{what}` هنا", {"what": "a b"}, right_to_left=True) == (
        f"اكتب {ISOLATE}`a b`{POP} هنا"
    )


def test_a_file_name_keeps_its_dot() -> None:
    assert filled("انظر .env.example", {}, right_to_left=True) == f"انظر {ISOLATE}.env.example{POP}"


def test_lists_keep_their_order() -> None:
    assert words_in("en").listed(["محمد", "Ada"]) == f"{ISOLATE}محمد{POP} and Ada"
    assert words_in("he").listed(["Ada", "דנה"]).count(ISOLATE) == 2


def test_a_line_that_begins_with_a_mention_goes_from_right_to_left() -> None:
    assert words_in("ar").line("- <@12> كتب") == f"- {RIGHT_TO_LEFT_MARK}<@12> كتب"
    assert words_in("de").line("- <@12> schrieb") == "- <@12> schrieb"

"""Flaws between rows, of a language's whole set, and of its list of works."""

from __future__ import annotations

import random
from typing import Any

import pytest

from model.languages import LANGUAGES
from tests.training.checks.rows import answer, changed, good_row, good_rows, with_message
from training.chats import PROPERTIES, Chat, Property, read_properties
from training.checks.catalogue import check_works, spread
from training.checks.duplicates import find_duplicates
from training.checks.finding import Finding
from training.checks.quotas import check_quotas


def test_a_row_with_some_words_changed_is_a_duplicate() -> None:
    rows = list(good_rows("nl"))
    words = answer(rows[4]).split()
    for place in random.Random(1).sample(range(len(words)), len(words) // 12):
        words[place] = "nochtans"
    copy = with_message(changed(rows[4], id="nl-99"), 3, " ".join(words))
    found = find_duplicates([*rows, copy])
    assert list(found) == [20]
    assert found[20].detail.endswith("the same as nl-05")


def test_a_row_copied_into_another_language_is_a_duplicate() -> None:
    stranger = changed(good_row("no"), id="da-99", language="da")
    found = find_duplicates([*good_rows("no"), *good_rows("da"), stranger])
    assert found == {40: Finding("duplicate", "", f"100% the same as {good_row('no').id}")}


@pytest.mark.parametrize("language", ["zh", "th", "ar"])
def test_duplicates_are_found_in_any_script(language: str) -> None:
    rows = good_rows(language)
    copy = with_message(changed(rows[0], id="copy"), 0, rows[1].messages[0].content)
    assert list(find_duplicates([*rows, copy])) == [20]


def test_the_later_one_is_the_duplicate_and_each_is_told_once() -> None:
    rows = good_rows("cs")
    assert sorted(find_duplicates([*rows, *rows])) == list(range(20, 40))


def test_answers_of_nothing_but_punctuation_break_nothing() -> None:
    row = good_row("de", lookup=False)
    empty = [with_message(with_message(row, 1, "…"), 3, "…")] * 2
    assert find_duplicates(empty) == {}


def quotas(chats: list[Chat]) -> str:
    return "\n".join(finding.detail for finding in check_quotas("it", chats))


def test_the_shipped_sets_are_composed_as_they_should_be() -> None:
    for code in LANGUAGES:
        assert check_quotas(code, good_rows(code)) == []


def test_a_set_out_of_proportion_is_told() -> None:
    rows = list(good_rows("it"))
    assert "19 rows, fewer than 20" in quotas(rows[1:])
    assert "20 of 20 rows are ideas" in quotas([changed(row, task="ideas") for row in rows])
    assert "no row of ideas" in quotas([changed(row, task="opening") for row in rows])
    without = [row for row in rows if row.lookup is None]
    assert "rows have a look-up (0%, not 70% to 90%)" in quotas(without * 5)
    short = [changed(row, messages=[turn.model_dump() for turn in row.messages[:4]]) for row in rows]
    assert "0 of 20 rows have six messages and more" in quotas(short)
    assert "have a second look-up" in quotas([with_message(row, 3, answer(row)) for row in rows])
    assert "2 users open with «" in quotas(
        [*rows[:19], with_message(rows[19], 0, rows[0].messages[0].content)]
    )


def test_imported_rows_are_not_asked_for_tasks() -> None:
    assert "task" not in quotas([changed(row, task="imported") for row in good_rows("it")])


def works(language: str = "de") -> list[Property]:
    return read_properties(PROPERTIES / f"{language}.json")


def altered(place: int, **fields: Any) -> list[Property]:
    listed = works()
    listed[place] = listed[place].model_copy(update=fields)
    return listed


def test_the_shipped_lists_keep_the_rules() -> None:
    for code in LANGUAGES:
        assert check_works(code, works(code)) == []


@pytest.mark.parametrize(
    ("listed", "detail"),
    [
        (works()[:19], "19 works, not 20"),
        (altered(0, property_type="books"), "unknown types: books"),
        ([work.model_copy(update={"property_type": "book"}) for work in works()], "1 types, fewer than 7"),
        (
            [work.model_copy(update={"is_local": False}) for work in works()],
            "0 of 20 works are local, not 10 to 14",
        ),
        ([work.model_copy(update={"is_local": True}) for work in works()], "20 of 20 works are local"),
        (altered(0, english_name=works()[1].english_name.upper()), "occurs 2 times"),
        (altered(0, local_name=works()[1].local_name), "local_name"),
        (altered(0, local_name="Momo "), "blanks"),
    ],
)
def test_a_list_against_the_rules_is_told(listed: list[Property], detail: str) -> None:
    assert detail in "\n".join(finding.detail for finding in check_works("de", listed))


def test_how_far_titles_spread_is_told_widest_first() -> None:
    wide = spread({code: works(code) for code in LANGUAGES})
    assert list(wide)[:2] == ["Harry Potter", "The Lord of the Rings"]
    assert len(wide["Harry Potter"]) == 34
    assert "Moomins" not in wide
    assert all(len(codes) > 5 for codes in wide.values())

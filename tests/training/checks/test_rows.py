"""A planted flaw of each kind is found, and what only looks like one is let pass."""

from __future__ import annotations

import pytest

from tests.training.checks.rows import answer, changed, good_row, good_rows, with_message
from training.chats import BackgroundNote, Chat
from training.checks.finding import KINDS
from training.checks.row import check_row

WORDS_OF = {"de": "Der Wind dreht sich am Hafen, und keiner sagt ein Wort. "}


def checks(chat: Chat) -> set[str]:
    """Which checks find something; each of them is a known one."""
    found = {finding.check for finding in check_row(chat)}
    assert found <= set(KINDS)
    return found


def spoil_tag(chat: Chat, old: str, new: str) -> Chat:
    return with_message(chat, 1, chat.messages[1].content.replace(old, new))


# --- tag ---


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n>>> de", "\n>>> German"),
        ("\n>>> de", "\n>>>de"),
        ("\n>>> de", ""),
        ("\n\n>>> ", "\n>>> "),
        ("\n\n>>> ", "\n\n》》》 "),
        ("\n\n>>> ", "\n\n>>> search term: "),
        ("\n>>> de", "\n>>> de\n\nBis gleich!"),
    ],
)
def test_a_tag_in_any_other_form_is_found(old: str, new: str) -> None:
    assert "tag" in checks(spoil_tag(good_row("de"), old, new))


def test_a_tag_that_the_row_knows_nothing_of_is_found() -> None:
    row = good_row("de", lookup=False)
    assert "tag" in checks(with_message(row, 1, answer(row, 1) + "\n\n>>> Faust\n>>> de"))


def test_a_look_up_without_tag_and_one_without_note_are_found() -> None:
    row = good_row("de")
    assert "tag" in checks(with_message(row, 1, answer(row, 1) + "\n\n>>> Etwas anderes\n>>> de"))
    turns = [turn.model_dump() for turn in row.messages]
    turns[1]["content"] = answer(row, 1)
    assert "tag" in checks(changed(row, messages=turns))
    assert "tag" in checks(changed(row, background=[]))


def test_a_tag_in_the_users_words_or_in_the_middle_is_found() -> None:
    row = good_row("de")
    assert "tag" in checks(with_message(row, 2, row.messages[2].content + "\n>>> Faust\n>>> de"))
    assert "tag" in checks(with_message(row, 3, ">>> Faust\n\n" + answer(row)))


def test_a_look_up_in_another_wikipedia_is_found() -> None:
    row = good_row("ko")
    english = changed(row, lookup={"term": row.lookup.term, "language": "en"})
    assert "tag" in checks(english)
    assert "tag" in checks(spoil_tag(row, "\n>>> ko", "\n>>> en"))


def test_a_later_tag_in_its_exact_form_is_fine() -> None:
    row = good_row("de")
    assert checks(with_message(row, 3, answer(row) + "\n\n>>> Nibelungenlied\n>>> de")) == set()


@pytest.mark.parametrize("language", ["ko", "ru", "he", "th"])
def test_an_english_term_for_another_languages_wikipedia_is_found(language: str) -> None:
    row = good_row(language)
    assert row.lookup is not None
    english = spoil_tag(row, f">>> {row.lookup.term}", ">>> fan fiction")
    assert "term" in checks(changed(english, lookup={"term": "fan fiction", "language": language}))


def test_a_latin_title_is_fine_where_the_work_is_called_so() -> None:
    row = good_row("th")
    assert row.lookup is not None
    latin = spoil_tag(row, f">>> {row.lookup.term}", ">>> Home Sweet Home")
    note = row.background[0].model_copy(update={"title": "Home Sweet Home"})
    assert (
        checks(
            changed(
                latin, lookup={"term": "Home Sweet Home", "language": "th"}, background=[note.model_dump()]
            )
        )
        == set()
    )


# --- script, language, variety ---


def test_letters_of_the_wrong_script_are_found() -> None:
    row = good_row("sr")
    assert "script" in checks(
        with_message(row, 3, "Danas je lep dan i niko ne zna zašto je Raka tako tih. " * 6)
    )
    assert "script" in checks(
        with_message(good_row("hi"), 0, "mujhe ek kahani likhni hai jisme nayak kho jata hai")
    )


@pytest.mark.parametrize(
    ("language", "other"),
    [("en", "fr"), ("de", "nl"), ("es", "pt"), ("ca", "es"), ("sv", "no"), ("fi", "et"), ("uk", "ru"), ("bg", "ru"),
     ("fa", "ar"), ("ja", "zh"), ("zh", "ja"), ("tr", "hu"), ("hr", "pl"), ("vi", "id"), ("sw", "fi"), ("eu", "es")],
)  # fmt: skip
def test_an_answer_in_another_language_is_found(language: str, other: str) -> None:
    found = checks(with_message(good_row(language), 3, answer(good_row(other))))
    assert found & {"language", "script"}


@pytest.mark.parametrize(
    ("language", "other"),
    [("no", "da"), ("da", "no"), ("cs", "sk"), ("sk", "cs"), ("ms", "id"), ("id", "ms")],
)
def test_the_close_language_that_a_detector_takes_for_it_is_found(language: str, other: str) -> None:
    rows = zip(good_rows(language), good_rows(other), strict=True)
    swapped = [with_message(row, 3, answer(stranger)) for row, stranger in rows]
    assert sum(bool(checks(row) & {"variety", "language"}) for row in swapped) >= 16


def test_nynorsk_and_traditional_chinese_are_found() -> None:
    nynorsk = (
        "Eg veit ikkje kva ho vil, men dei ho møtte sa noko anna. Kvifor spør du meg? Korleis går det med deg? "
        * 3
    )
    assert "variety" in checks(with_message(good_row("no"), 3, nynorsk))
    traditional = (
        "他們說這個時候還沒有人來，門開著，書放在車裡，馬在遠處聽見風聲。她覺得難過，卻對著鏡子笑了。" * 2
    )
    assert "variety" in checks(with_message(good_row("zh"), 3, traditional))


def test_a_user_who_writes_another_language_throughout_is_found() -> None:
    row, stranger = good_row("it"), good_row("pl")
    for place in (0, 2):
        row = with_message(row, place, stranger.messages[place].content)
    assert "language" in checks(row)


def test_a_note_in_english_is_found() -> None:
    row = good_row("sv")
    note = good_row("en").background[0]
    assert "language" in checks(changed(row, background=[note.model_dump()]))


def test_half_an_answer_in_another_language_is_found() -> None:
    row = good_row("pl")
    half = answer(row)[: len(answer(row)) // 2].rsplit(".", 1)[0] + "."
    english = answer(good_row("en"))[:400].rsplit(".", 1)[0] + "."
    assert checks(with_message(row, 3, f"{half}\n\n{english}")) & {"language", "english"}


@pytest.mark.parametrize("language", ["de", "ko", "ar", "tr"])
def test_an_english_sentence_left_over_is_found(language: str) -> None:
    row = good_row(language)
    assert "english" in checks(
        with_message(row, 3, answer(row) + "\n\nThis is the scene that you would like to use.")
    )


def test_an_english_title_is_fine() -> None:
    row = good_row("de")
    assert (
        checks(with_message(row, 2, "Und in „The Lord of the Rings: The Return of the King“, wie ist es da?"))
        == set()
    )
    assert (
        checks(
            with_message(
                row, 2, "Und in The Legend of Zelda: Breath of the Wild, wie ist es da? slow burn, bitte"
            )
        )
        == set()
    )


# --- loops, length, form ---


@pytest.mark.parametrize(
    "loop",
    [
        "Er ging hinaus in den Regen. " * 5,
        "und dann kam der Wind " * 10,
        "weiter " * 30,
        "na" * 40,
    ],
)
def test_a_loop_is_found(loop: str) -> None:
    row = good_row("de")
    assert "loop" in checks(with_message(row, 3, answer(row) + " " + loop + "."))


@pytest.mark.parametrize(
    ("language", "loop"),
    [
        ("ja", "風が吹いていた。彼は歩き出した。"),
        ("zh", "他走进雨里，再也没有回头。"),
        ("th", "เขาเดินออกไปในสายฝนอีกครั้ง "),
    ],
)
def test_a_loop_without_blanks_is_found(language: str, loop: str) -> None:
    row = good_row(language)
    assert "loop" in checks(with_message(row, 3, answer(row) + loop * 6))


def test_an_answer_that_goes_over_the_same_ground_is_found() -> None:
    row = good_row("es")
    text = answer(row)
    assert "loop" in checks(with_message(row, 3, text[: len(text) * 2 // 3] + " " + text[: len(text) // 2]))


def test_laughter_and_a_refrain_are_fine() -> None:
    row = good_row("de")
    song = " „Ha ha ha ha ha!“ „Noch einmal!“ „Noch einmal!“ „Noch einmal!“ Eins, zwei, drei, vier, eins, zwei, drei."
    assert checks(with_message(row, 3, answer(row) + song)) == set()


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (0, "hi"),
        (1, "Schick mir mehr davon."),
        (3, "Das war alles."),
        (3, WORDS_OF["de"] * 60),
        (0, WORDS_OF["de"] * 30),
    ],
)
def test_too_short_and_too_long_are_found(place: int, text: str) -> None:
    assert "length" in checks(with_message(good_row("de"), place, text))


@pytest.mark.parametrize("language", ["zh", "ja", "th"])
def test_length_is_right_where_words_are_not_written_apart(language: str) -> None:
    row = good_row(language)
    assert "length" in checks(with_message(row, 3, answer(row)[:60]))
    assert "length" in checks(with_message(row, 3, answer(row) * 4))


@pytest.mark.parametrize(
    "flaw",
    [
        "## Überschrift\n",
        "| a | b |\n",
        "<|eot_id|>",
        "[INST]",
        "{character_name}",
        "{{user}}",
        "[insert name here]",
        "https://example.org",
        "schÃ¶n",
        "itâ€™s",
        "kaputt\ufffd",
        "\x07",
        "&amp;",
        "😀😀",
    ],
)
def test_bad_form_is_found(flaw: str) -> None:
    row = good_row("de")
    assert "form" in checks(with_message(row, 3, f"{flaw}\n{answer(row)}"))


def test_light_markdown_one_emoji_and_joiners_are_fine() -> None:
    row = good_row("de")
    text = "**Titel:** *Der Hafen*\n\n- eins\n- zwei\n\n1. erstens\n\n" + answer(row) + " 👩‍🚀"
    assert checks(with_message(row, 3, text)) == set()


def test_an_answer_cut_in_the_middle_is_found() -> None:
    row = good_row("fr")
    cut = answer(row).rsplit(" ", 4)[0].rstrip(".,;:!?»* ")
    assert "cut" in checks(with_message(row, 3, cut + " et elle lui dit que tout ce qu'il avait vu"))


def test_an_answer_that_ends_with_a_signature_is_fine() -> None:
    row = good_row("pt")
    assert checks(with_message(row, 3, answer(row) + "\n\nJosué")) == set()


def test_a_page_of_wikipedia_as_background_is_fine() -> None:
    row = good_row("de")
    text = row.background[0].text
    page = BackgroundNote(
        title="A", text=text, source="wikipedia", url="https://de.wikipedia.org/wiki/A", revision=1
    )
    assert checks(row.model_copy(update={"background": (page,)})) == set()

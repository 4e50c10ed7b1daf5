"""The Language Confusion Benchmark's metrics on lines whose verdicts are known.

The verdicts were worked out by hand from the definitions of the benchmark's `compute_metrics.py`.
"""

from __future__ import annotations

import pytest

from training.evaluation.confusion import Verdict, judge, load_model, metrics, normalise, tokenise

FRENCH = "Le chat dort sur le canapé depuis ce matin, et personne ne le dérange."
GERMAN = "Die Katze schläft seit heute Morgen auf dem Sofa, und niemand stört sie."
RUSSIAN = "Кошка спит на диване с самого утра, и никто её не тревожит."


@pytest.mark.parametrize(
    ("answer", "language", "lines", "wrong"),
    [
        (FRENCH, "fr", 1, 0),
        (FRENCH, "de", 1, 1),
        (f"{FRENCH}\n{GERMAN}", "fr", 2, 1),
        # Lines of fewer than five tokens do not count, whatever they are in.
        (f"{FRENCH}\nGute Nacht, alle zusammen!", "fr", 1, 0),
        ("Gute Nacht!", "fr", 0, 0),
        ("", "fr", 0, 0),
        # What follows a new question is not the answer's.
        (f"{FRENCH}\nQ: {GERMAN}", "fr", 1, 0),
    ],
)
def test_lines_are_judged_one_by_one(answer: str, language: str, lines: int, wrong: int) -> None:
    verdict = judge(answer, language)
    assert (verdict.lines, verdict.wrong_lines) == (lines, wrong)


def test_an_unsure_guess_is_wrong() -> None:
    line = " frases curtas e concretas com nome de planta de bicho de vento"
    assert load_model()(line) == "unknown"  # Portuguese comes first, with less than 0.3
    assert judge(line, "pt").wrong_lines == 1


def test_chinese_and_japanese_are_cut_into_words() -> None:
    # Without cutting, both would be a single token and be passed over.
    assert len(tokenise("我喜欢在图书馆里写小说", "zh")) >= 5
    assert len(tokenise("私は図書館で小説を書くのが好きです", "ja")) >= 5
    assert judge("私は図書館で小説を書くのが好きです", "ja").lines == 1


def test_english_words_count_where_the_script_is_another() -> None:
    with_word = judge(RUSSIAN.replace("диване", "sofa"), "ru")
    assert (with_word.wrong_lines, with_word.english_words) == (0, True)
    assert not judge(RUSSIAN, "ru").english_words
    # Names and words of up to three letters are no confusion.
    assert not judge(RUSSIAN.replace("диване", "Max TV"), "ru").english_words
    assert not judge(FRENCH.replace("canapé", "sofa"), "fr").english_words


def test_punctuation_is_taken_away() -> None:
    assert normalise("«Hé!» — dit-il, (enfin)...") == "«Hé»   ditil enfin"


def test_metrics_over_answers() -> None:
    verdicts = [Verdict(2, 0, False), Verdict(4, 1, True), Verdict(1, 0, True), Verdict(0, 0, False)]
    found = metrics(verdicts, "ru")
    assert found.line_pass == pytest.approx(2 / 3)  # the one without lines is not counted
    assert found.accuracy == pytest.approx((1 + 0.75 + 1) / 3)
    assert found.word_pass == pytest.approx(1 / 2)  # among those that passed by line
    assert metrics(verdicts, "fr").word_pass is None


def test_nothing_to_judge_passes() -> None:
    found = metrics([], "ru")
    assert (found.accuracy, found.line_pass, found.word_pass) == (1, 1, 1)

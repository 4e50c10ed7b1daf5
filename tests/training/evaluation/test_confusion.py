"""The Language Confusion Benchmark's metrics on lines whose verdicts are known.

The verdicts were worked out by hand from the definitions of the benchmark's `compute_metrics.py`.
"""

from __future__ import annotations

import pytest

from training.evaluation.confusion import (
    LANGUAGES,
    WORD_LEVEL,
    Verdict,
    judge,
    load_model,
    normalise,
    tokenise,
)

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


def test_an_answer_passes_by_line_and_then_by_word() -> None:
    fair, strayed, worded, short = (
        Verdict(2, 0, False), Verdict(4, 1, True), Verdict(1, 0, True), Verdict(0, 0, False),
    )  # fmt: skip
    assert [each.line_pass for each in (fair, strayed, worded, short)] == [True, False, True, None]
    # Looked through for words are only those that passed by line, in other scripts than Latin.
    assert [each.word_pass("ru") for each in (fair, strayed, worded, short)] == [True, None, False, None]
    assert fair.word_pass("fr") is None


# A line in each of the benchmark's languages.
LINES = {
    "ar": "نامت القطة على الأريكة منذ الصباح ولم يزعجها أحد",
    "de": GERMAN,
    "en": "The cat has slept on the sofa since this morning, and nobody disturbs her.",
    "es": "El gato duerme en el sofá desde esta mañana y nadie lo molesta.",
    "fr": FRENCH,
    "hi": "बिल्ली सुबह से सोफे पर सो रही है और कोई उसे परेशान नहीं करता",
    "id": "Kucing itu tidur di sofa sejak pagi tadi dan tidak ada yang mengganggunya.",
    "it": "Il gatto dorme sul divano da stamattina e nessuno lo disturba.",
    "ja": "猫は今朝からソファーで眠っていて、誰も邪魔をしない。",
    "ko": "고양이는 오늘 아침부터 소파에서 자고 있고 아무도 방해하지 않는다.",
    "pt": "O gato dorme no sofá desde esta manhã e ninguém o incomoda.",
    "ru": RUSSIAN,
    "tr": "Kedi bu sabahtan beri kanepede uyuyor ve kimse onu rahatsız etmiyor.",
    "vi": "Con mèo ngủ trên ghế sofa từ sáng nay và không ai làm phiền nó.",
    "zh": "这只猫从今天早上起就睡在沙发上，没有人打扰它。",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_line_in_each_of_the_benchmarks_languages(language: str) -> None:
    own = judge(LINES[language], language)
    assert (own.lines, own.line_pass) == (1, True)
    assert own.word_pass(language) is (True if language in WORD_LEVEL else None)
    assert (
        judge(f"{LINES[language]}\n{LINES['fr' if language == 'en' else 'en']}", language).line_pass is False
    )
    if language in WORD_LEVEL:
        assert judge(f"{LINES[language]}\n{LINES[language]} sofa", language).word_pass(language) is False

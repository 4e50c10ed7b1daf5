"""What is said of single answers, and of many together."""

from __future__ import annotations

import pytest

from training.chats import DATA, read_chats
from training.evaluation.answering import Answer, references
from training.evaluation.figures import Judged, by_language, figures
from training.evaluation.questions import questions
from training.evaluation.verdicts import judge

FINNISH = (
    "Sade ropisi mökin kattoon koko illan, ja Kalle istui ikkunan ääressä lukemassa vanhaa kirjaa. Ulkona järvi oli "
    "harmaa ja tyyni kuin peili, eikä kukaan tullut käymään."
)
ENGLISH = (
    "The rain drummed on the cabin roof all evening, and Kalle sat at the window with an old book. Outside the lake "
    "lay grey and still as a mirror, and nobody came to visit."
)


@pytest.mark.parametrize(
    ("answer", "tag", "tag_language"),
    [
        (FINNISH, False, None),
        (f"{FINNISH}\n\n>>> Muumit\n>>> fi", True, True),
        (f"{FINNISH}\n\n>>> Moomins\n>>> en", True, False),
        # A code that is none of the forty is filled in when it is read, which is not the model's doing.
        (f"{FINNISH}\n\n>>> Muumit\n>>> xx", True, False),
    ],
)
def test_tags(answer: str, tag: bool, tag_language: bool | None) -> None:
    verdict = judge(answer, "fi")
    assert (verdict.tag, verdict.tag_language) == (tag, tag_language)
    assert verdict.in_language
    assert not verdict.loops


@pytest.mark.parametrize(
    "answer", [ENGLISH, f"{FINNISH}\n\n{ENGLISH} {ENGLISH}", "", "   ", "Сегодня идёт дождь весь день."]
)
def test_an_answer_in_another_language_or_none_fails(answer: str) -> None:
    assert not judge(answer, "fi").in_language


def test_a_loop_is_found() -> None:
    assert judge("Ja sitten hän meni kotiin. " * 12, "fi").loops


def test_figures_count_what_they_are_about() -> None:
    texts = [
        (True, f"{FINNISH}\n\n>>> Muumit\n>>> fi"),
        (True, FINNISH),
        (False, FINNISH),
        (False, f"{ENGLISH}\n\n>>> Muumit\n>>> fi"),
    ]
    judged = [
        Judged(
            Answer("tuned", f"fi-{n}", "fi", 0, 0, text, "stop" if n else "length"), due, judge(text, "fi")
        )
        for n, (due, text) in enumerate(texts)
    ]
    found = figures(judged)
    shares = {name: rate and (rate["value"], rate["answers"]) for name, rate in found.as_dict().items()}
    assert shares["in_language"] == (0.75, 4)
    assert shares["tag_recall"] == (0.5, 2)
    assert shares["tag_absence"] == (0.5, 2)
    assert shares["tag_precision"] == (0.5, 2)
    assert shares["tag_language"] == (1.0, 2)
    assert shares["ended"] == (0.75, 4)
    assert shares["line_pass"] is None  # Finnish is none of the benchmark's languages
    assert found.in_language is not None
    assert found.in_language.low < 0.75 < found.in_language.high


def test_the_benchmarks_measures_are_means_of_languages() -> None:
    """As its script has them: a language with many answers weighs no more than one with few."""
    german = "Die Katze schläft seit heute Morgen auf dem Sofa, und niemand stört sie."
    russian = "Кошка спит на диване с самого утра, и никто её не тревожит."
    answers = [
        *[("de", german)] * 6,
        ("ru", russian),
        ("ru", german),
        ("ru", russian.replace("диване", "sofa")),
        ("ru", "Да."),  # nothing to judge
        ("fi", FINNISH),  # none of its languages
    ]
    judged = [
        Judged(Answer("tuned", f"{code}-{n}", code, 0, 0, text, "stop"), False, judge(text, code))
        for n, (code, text) in enumerate(answers)
    ]
    found = figures(judged)
    assert found.line_pass is not None
    assert found.word_pass is not None
    assert found.line_pass.value == pytest.approx((1 + 2 / 3) / 2)
    assert found.word_pass.value == pytest.approx(1 / 2)
    assert (found.line_pass.answers, found.word_pass.answers) == (9, 2)
    assert found.line_pass.low <= found.line_pass.value <= found.line_pass.high
    russians = by_language(judged)["ru"]
    assert russians.line_pass is not None
    assert russians.line_pass.value == pytest.approx(2 / 3)
    # All others are over all answers alike.
    assert found.in_language is not None
    assert found.in_language.answers == len(answers)


def test_answers_to_one_chat_do_not_narrow_the_interval() -> None:
    def of(chats: int, each: int) -> float:
        judged = [
            Judged(
                Answer("tuned", f"fi-{chat}", "fi", 0, sample, "", "stop"),
                False,
                judge(FINNISH if chat % 2 else ENGLISH, "fi"),
            )
            for chat in range(chats)
            for sample in range(each)
        ]
        rate = figures(judged).in_language
        assert rate is not None
        return rate.high - rate.low

    assert of(6, 20) == pytest.approx(of(6, 1))
    assert of(60, 1) < of(6, 1) / 2


def test_the_reference_answers_pass() -> None:
    chats = read_chats(DATA / "splits" / "test.jsonl")
    asked = list(questions(chats))
    due = {(each.chat, each.turn): each.wants_tag for each in asked}
    judged = [
        Judged(each, due[each.chat, each.turn], judge(each.text, each.language)) for each in references(asked)
    ]
    assert len(by_language(judged)) == 40
    found = figures(judged)
    for rate in (found.in_language, found.tag_recall, found.tag_absence, found.tag_language, found.no_loop):
        assert rate is not None
        assert rate.value == 1


def test_questions_end_before_the_answer_and_have_the_notes() -> None:
    chat = next(
        each for each in read_chats(DATA / "chats" / "fi.jsonl") if each.lookup and len(each.messages) >= 4
    )
    first, second, *_ = questions([chat])
    assert [message["role"] for message in first.messages] == ["system", "user"]
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "user"]
    assert first.wants_tag
    assert chat.background[0].text in second.messages[-1]["content"]
    assert first.reference == chat.messages[1].content

"""The evaluation of a job's adapter: the report, its heat maps, and the ten worst answers side by side."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from model.conversation import split_user_turn
from model.languages import LANGUAGES
from model.preset import load_preset
from model.settings import WorkerSettings
from training.chats import DATA, Chat, digest_of, read_chats, write_text
from training.evaluation.answering import Answer, System
from training.evaluation.questions import Question, questions
from training.evaluation.report import write_report
from training.evaluation.report_plots import language_heat_map
from training.evaluation.result import Result
from training.evaluation.run import Options, judged
from training.evaluation.verdicts import AnswerVerdict, judge
from training.plots import save_png
from training.serving.adapters import folder_of
from training.serving.errors import StageFailed
from training.serving.jobs import Job, JobFolder

WORST = 10
"""Answers that are shown."""
OF_BASE = 1
"""Answers of the base to each question: it is there to be compared with, and writes the longest."""


def judge_adapter(job: Job, folder: JobFolder) -> None:
    """Judge it on the shipped test chats, which nothing trains on; `figures.json`, written last, says it is done."""
    if (folder.evaluation / "figures.json").is_file():
        return
    chats = chats_to_judge(job.languages, job.test_chats)
    settings = WorkerSettings()
    systems: tuple[System, ...] = ("bare", "base", "tuned", *(("compared",) if job.compare_with else ()))
    asked = list(questions(chats))
    whole = answers_of(len(asked), job.samples, compared=job.compare_with is not None)
    write_text(folder.evaluation / "total", str(whole))
    options = Options(
        preset=job.recipe.preset,
        adapter=folder.run.adapter,
        output=folder.evaluation,
        samples=job.samples,
        base_samples=OF_BASE,
        systems=systems,
        split="test",
        compared=_compared(job, settings),
        embedded_source=settings.embedded_model_path,
        cache=settings.fanfabler_cache,
    )
    result, answers = judged(chats, options)
    result = replace(result, about=_about(job, result))
    write_report(result, folder.evaluation)
    for name, dark in (("heatmap.png", False), ("heatmap-dark.png", True)):
        figure = language_heat_map(result, dark=dark, upright=True)
        save_png(figure, folder.evaluation / name, dark=dark)
    shown = worst(asked, answers)
    write_text(folder.evaluation / "worst.json", json.dumps(shown, ensure_ascii=False, indent=1) + "\n")
    figures = figures_of(result, chats)
    write_text(folder.evaluation / "figures.json", json.dumps(figures, indent=1) + "\n")


def answers_of(asked: int, samples: int, *, compared: bool) -> int:
    """How many answers so many questions make: of the base in both ways, the adapter, and what it is compared with."""
    return asked * (2 * OF_BASE + samples * (2 if compared else 1))


def _compared(job: Job, settings: WorkerSettings) -> Path | Literal["own"] | None:
    if job.compare_with is None:
        return None
    own = load_preset(job.recipe.preset).active_adapter()
    if own is not None and own.name == job.compare_with:
        return "own"
    return folder_of(job.compare_with, settings)


def _about(job: Job, result: Result) -> dict[str, Any]:
    """What was judged, by the names that people know it by."""
    named = {"adapter": job.name, **({"compared with": job.compare_with} if job.compare_with else {})}
    kept = {name: said for name, said in result.about.items() if not name.startswith("model (")}
    return {**kept, **named, "preset": job.preset}


def chats_to_judge(languages: Collection[str] | None, most: int | None) -> list[Chat]:
    """The shipped test chats in these languages, and of those as many, from each language in turn."""
    by_language: dict[str, list[Chat]] = {}
    for chat in read_chats(DATA / "splits" / "test.jsonl"):
        if languages is None or chat.language in languages:
            by_language.setdefault(chat.language, []).append(chat)
    in_turn = [chat for turn in zip_longest(*by_language.values()) for chat in turn if chat is not None]
    return in_turn[:most]


def figures_of(result: Result, chats: Sequence[Chat]) -> dict[str, Any]:
    """What a gate asks for. Raises `StageFailed` where there was nothing to judge."""
    found = result.as_dict()
    try:
        overall = found["answers"]["tuned"]["overall"]
        losses = {system: each["overall"]["loss"] for system, each in found["held_out"].items()}
    except KeyError as error:
        raise StageFailed(f"the evaluation has nothing on {error}") from error
    matches = {
        system: rate["value"] if (rate := each["overall"]["in_language"]) else None
        for system, each in found["answers"].items()
    }
    return {
        "held_out_loss": losses.get("tuned"),
        "language_match": overall["in_language"]["value"] if overall["in_language"] else None,
        "evaluated_on": digest_of(chats),
        "held_out_losses": losses,
        "language_matches": matches,
    }


@dataclass(frozen=True, slots=True)
class _Judged:
    question: Question
    answer: Answer
    faults: Mapping[str, float]
    """What is wrong → how much that weighs."""
    length: float
    """Of the answer over its reference's, as far from 1 as it is."""

    @property
    def weight(self) -> tuple[float, float]:
        return sum(self.faults.values()), self.length


def worst(asked: Sequence[Question], answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The ten answers of the adapter that have most wrong with them, at most one a question, the worst first.

    Among answers with the same faults, the one whose length is farthest from the reference's.
    """
    by_key = {(each.chat, each.turn): each for each in asked}
    base = {(each.chat, each.turn): each.text for each in answers if each.system == "base"}
    found = [
        _weighed(by_key[each.chat, each.turn], each)
        for each in answers
        if each.system == "tuned" and (each.chat, each.turn) in by_key
    ]
    chosen: dict[tuple[str, int], _Judged] = {}
    for each in sorted(found, key=lambda each: each.weight, reverse=True):
        chosen.setdefault((each.question.chat, each.question.turn), each)
    return [
        {
            "language": each.question.language,
            "chat": each.question.chat,
            # Without the notes in front of it, which people did not write.
            "question": split_user_turn(each.question.messages[-1]["content"])[1],
            "reference": each.question.reference,
            "answer": each.answer.text,
            "base_answer": base.get((each.question.chat, each.question.turn)),
            "why": "; ".join(each.faults) or "no fault found; its length is farthest from the reference's",
        }
        for each in list(chosen.values())[:WORST]
    ]


def _weighed(question: Question, answer: Answer) -> _Judged:
    faults = _faults(question, answer, judge(answer.text, answer.language))
    ratio = (len(answer.text) + 1) / (len(question.reference) + 1)
    return _Judged(question, answer, faults, max(ratio, 1 / ratio))


def _faults(question: Question, answer: Answer, verdict: AnswerVerdict) -> dict[str, float]:
    language = LANGUAGES[answer.language].english_name
    if not answer.text.strip():
        return {"it is empty": 5.0}
    found: dict[str, float] = {}
    if not verdict.in_language:
        found[f"it is not in {language}"] = 4.0
    if verdict.loops:
        found["it goes round in circles"] = 3.0
    if question.wants_tag and not verdict.tag:
        found["it does not look anything up, as the reference does"] = 1.0
    if verdict.tag and not question.wants_tag:
        found["it looks something up where the reference does not"] = 1.0
    if verdict.tag_language is False:
        found["its look-up names another language"] = 1.0
    if answer.finish_reason != "stop":
        found["it was cut off at the most tokens"] = 0.5
    if verdict.confusion is not None and verdict.confusion.english_words:
        found["it has English words in it"] = 1.5
    return found

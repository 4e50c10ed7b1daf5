"""From verdicts on answers to rates by language, with intervals.

Over several languages every answer counts once; for the benchmark's two measures every language does, as in the
benchmark. Intervals are bootstrapped over chats, not over answers: several answers to one question are not independent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from training.evaluation.answering import Answer
from training.evaluation.verdicts import AnswerVerdict

RESAMPLES, SEED = 1000, 20


@dataclass(frozen=True, slots=True)
class Rate:
    """A share or a mean, with its 95 % interval and the number of answers that it is over."""

    value: float
    low: float
    high: float
    answers: int


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, whether its reference has a tag, and the verdict."""

    answer: Answer
    wants_tag: bool
    verdict: AnswerVerdict


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one system's answers, in one language or in all; None where no answer could tell."""

    in_language: Rate | None
    line_pass: Rate | None
    """The benchmark's line-level pass rate; over several languages their mean, as the benchmark has it."""
    word_pass: Rate | None
    """The benchmark's word-level pass rate, in the same way."""
    tag_recall: Rate | None
    """A tag where the reference has one."""
    tag_absence: Rate | None
    """No tag where the reference has none."""
    tag_precision: Rate | None
    """Of the tags written, those where the reference has one."""
    tag_language: Rate | None
    """Of the tags written, those that name the conversation's language."""
    no_loop: Rate | None
    ended: Rate | None
    """Answers that came to their own end and were not cut off."""
    distinct_2: Rate | None
    words: Rate | None
    """Words of an answer, the mean."""

    def as_dict(self) -> dict[str, dict[str, float] | None]:
        """For JSON."""
        return {each.name: _rate_dict(getattr(self, each.name)) for each in fields(self)}


def _rate_dict(rate: Rate | None) -> dict[str, float] | None:
    return asdict(rate) if rate else None


_Measure = Callable[[Judged], float | None]

_MEASURES: Mapping[str, _Measure] = {
    "in_language": lambda each: float(each.verdict.in_language),
    "line_pass": lambda each: _number(found.line_pass if (found := each.verdict.confusion) else None),
    "word_pass": lambda each: _number(
        found.word_pass(each.answer.language) if (found := each.verdict.confusion) else None
    ),
    "tag_recall": lambda each: float(each.verdict.tag) if each.wants_tag else None,
    "tag_absence": lambda each: None if each.wants_tag else float(not each.verdict.tag),
    "tag_precision": lambda each: float(each.wants_tag) if each.verdict.tag else None,
    "tag_language": lambda each: _number(each.verdict.tag_language),
    "no_loop": lambda each: float(not each.verdict.loops),
    "ended": lambda each: float(each.answer.finish_reason == "stop"),
    "distinct_2": lambda each: each.verdict.distinct_2,
    "words": lambda each: float(each.verdict.words),
}


def figures(judged: Sequence[Judged]) -> Figures:
    """Every measure over these answers."""
    return Figures(
        **{
            name: rate(judged, measure, mean_of_languages=name in {"line_pass", "word_pass"})
            for name, measure in _MEASURES.items()
        }
    )


def by_language(judged: Sequence[Judged]) -> dict[str, Figures]:
    """The same for each language, in the order of their first answers."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        groups[each.answer.language].append(each)
    return {code: figures(group) for code, group in groups.items()}


def rate(judged: Sequence[Judged], measure: _Measure, *, mean_of_languages: bool = False) -> Rate | None:
    """A mean over the answers that the measure says something about, with its interval.

    With `mean_of_languages`, the mean of the means of the languages.
    """
    import numpy as np

    by_chat: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in judged:
        value = measure(each)
        if value is not None:
            by_chat[each.answer.language if mean_of_languages else "", each.answer.chat].append(value)
    if not by_chat:
        return None
    groups = sorted({group for group, _ in by_chat})
    sums, counts = np.zeros((2, len(by_chat), len(groups)))
    for place, ((group, _), values) in enumerate(by_chat.items()):
        sums[place, groups.index(group)], counts[place, groups.index(group)] = sum(values), len(values)
    drawn = np.random.default_rng(SEED).integers(len(sums), size=(RESAMPLES, len(sums)))
    # Of a language that a draw has no chat of, that draw says nothing.
    with np.errstate(invalid="ignore"):
        means = np.nanmean(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    value = float((sums.sum(axis=0) / counts.sum(axis=0)).mean())
    return Rate(value, float(low), float(high), int(counts.sum()))


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)

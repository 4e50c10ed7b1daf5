"""A run's evaluation, read from the trainer's result files: figures over all languages and by language, beside the
adapter in use and the base, and the worst answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.trainer import TrainerLacks
from bot.trainer_client import Trainer

REPORT, HEAT_MAP, CURVES, WORST = "report.json", "heatmap-dark.png", "loss-dark.png", "worst.json"
NEW, IN_USE, BASE = "tuned", "compared", "base"
"""The trainer's names for what it judged."""
MEASURES = ("in_language", "tag_recall", "tag_absence", "no_loop", "ended")


@dataclass(frozen=True)
class Judged:
    """What was found of one system, over all languages or in one. Shares are from 0 to 1; None was not measured."""

    loss: float | None
    shares: Mapping[str, float | None]


@dataclass(frozen=True)
class BadAnswer:
    """One of the worst answers, with what stands beside it."""

    language: str
    question: str
    reference: str
    answer: str
    base_answer: str
    why: str


@dataclass(frozen=True)
class Evaluation:
    """System → figures: over all, and by language."""

    overall: Mapping[str, Judged]
    languages: Mapping[str, Mapping[str, Judged]]


def evaluation_of(report: Mapping[str, Any]) -> Evaluation:
    """What a `report.json` says."""
    answers: Mapping[str, Any] = report.get("answers") or {}
    losses: Mapping[str, Any] = report.get("held_out") or {}
    overall, languages = {}, {}
    for system in (NEW, IN_USE, BASE):
        found, lost = answers.get(system) or {}, losses.get(system) or {}
        if not found and not lost:
            continue
        overall[system] = _judged(found.get("overall"), lost.get("overall"))
        codes = [*(found.get("languages") or {}), *(lost.get("languages") or {})]
        languages[system] = {
            code: _judged((found.get("languages") or {}).get(code), (lost.get("languages") or {}).get(code))
            for code in dict.fromkeys(codes)
        }
    return Evaluation(overall, languages)


def _judged(found: Mapping[str, Any] | None, lost: Mapping[str, Any] | None) -> Judged:
    rates = {name: (found or {}).get(name) for name in MEASURES}
    shares = {name: float(rate["value"]) if rate else None for name, rate in rates.items()}
    loss = (lost or {}).get("loss")
    return Judged(float(loss) if loss is not None else None, shares)


def worst_of(rows: Sequence[Mapping[str, Any]]) -> list[BadAnswer]:
    """What a `worst.json` says."""
    names = ("language", "question", "reference", "answer", "base_answer", "why")
    return [BadAnswer(**{name: str(row.get(name) or "") for name in names}) for row in rows]


class ResultFiles:
    """The result files of one job."""

    def __init__(self, trainer: Trainer, files: Mapping[str, str]) -> None:
        self._trainer = trainer
        self._files = files

    @classmethod
    async def of_job(cls, trainer: Trainer, job_id: str) -> ResultFiles:
        """Raises `TrainerError`."""
        job = await trainer.job(job_id)
        return cls(trainer, await trainer.results(job.result_files))

    async def evaluation(self) -> Evaluation | None:
        """The figures; None where the run was not evaluated."""
        content = await self.content(REPORT)
        return evaluation_of(json.loads(content)) if content is not None else None

    async def worst(self) -> list[BadAnswer]:
        """The worst answers, the worst first."""
        content = await self.content(WORST)
        return worst_of(json.loads(content)) if content is not None else []

    async def content(self, name: str) -> bytes | None:
        """One of the files; None where there is none of this name, or not any more."""
        if name not in self._files:
            return None
        try:
            return await self._trainer.content(self._files[name])
        except TrainerLacks:
            return None

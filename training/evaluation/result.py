"""What an evaluation found, as one value that is written to JSON and read back to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.evaluation.figures import Figures
from training.evaluation.heldout import HeldOut, total

REFERENCE, AS_TUNED = "reference", "base_as_tuned"

TITLES: Mapping[str, str] = {
    REFERENCE: "reference answers",
    "bare": "base model",
    "base": "base, with the system prompt",
    "tuned": "fine-tuned",
    "compared": "other adapter",
    AS_TUNED: "base, in the form of the fine-tuned",
}
"""What the systems are called in reports."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One system: over all answers, and by language."""

    overall: Figures
    languages: Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class Result:
    """Everything found. `about` says what was judged and how; `notes` what a reader must know."""

    about: Mapping[str, Any]
    judgements: Mapping[str, Judgement]
    """System → what is said of its answers; `REFERENCE` is the data's own."""
    held_out: Mapping[str, Mapping[str, HeldOut]]
    """System → language → loss."""
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "about": dict(self.about),
            "notes": list(self.notes),
            "answers": {
                system: {
                    "overall": judgement.overall.as_dict(),
                    "languages": {code: found.as_dict() for code, found in judgement.languages.items()},
                }
                for system, judgement in self.judgements.items()
            },
            "held_out": {
                system: {
                    "overall": total(found.values()).as_dict(),
                    "languages": {code: each.as_dict() for code, each in found.items()},
                }
                for system, found in self.held_out.items()
                if found
            },
        }

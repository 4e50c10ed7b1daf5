"""Whether an adapter is good enough to take another's place: values in, faults out."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

# What two computations of the same figure may differ by.
_NOISE = 1e-6


class Measure(enum.StrEnum):
    """What is compared."""

    HELD_OUT_LOSS = "held_out_loss"
    LANGUAGE_MATCH = "language_match"


@dataclass(frozen=True)
class Figures:
    """What an adapter is judged by; None is not measured. Losses compare models of the same `lineage` alone, since
    they are by token, and others cut text in other tokens; and figures that were measured on the same chats
    (`evaluated_on`, where that is known)."""

    held_out_loss: float | None
    language_match: float | None
    lineage: str | None = None
    evaluated_on: str | None = None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"held_out_loss": self.held_out_loss, "language_match": self.language_match}


@dataclass(frozen=True)
class Fault:
    """In what it falls behind. `candidate` is None where it was never measured, though the one in use was."""

    measure: Measure
    candidate: float | None
    in_use: float


def faults_of(candidate: Figures, in_use: Figures | None) -> list[Fault]:
    """What speaks against the candidate. What the one in use was never measured by cannot."""
    if in_use is None or (
        candidate.evaluated_on and in_use.evaluated_on and candidate.evaluated_on != in_use.evaluated_on
    ):
        return []
    found = []
    same_tokens = candidate.lineage is None or candidate.lineage == in_use.lineage
    if _known(in_use.held_out_loss) and same_tokens:
        loss, standing = candidate.held_out_loss, in_use.held_out_loss
        assert standing is not None  # noqa: S101 -- known
        if loss is None or not loss <= standing + _NOISE:
            found.append(Fault(Measure.HELD_OUT_LOSS, loss, standing))
    if _known(in_use.language_match):
        share, standing = candidate.language_match, in_use.language_match
        assert standing is not None  # noqa: S101 -- known
        if share is None or not share >= standing - _NOISE:
            found.append(Fault(Measure.LANGUAGE_MATCH, share, standing))
    return found


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)

"""The exceptions of the evaluation.

TrainingError
└── EvaluationError
"""

from __future__ import annotations

from training.errors import TrainingError


class EvaluationError(TrainingError):
    """The evaluation could not be made."""

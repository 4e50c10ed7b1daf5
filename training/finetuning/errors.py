"""The exceptions of fine-tuning.

TrainingError
└── FinetuningError
    ├── RecipeError
    ├── RunError
    │   ├── RecipeChanged
    │   └── NoSuchRun
    ├── ExportError
    └── PublishError
"""

from __future__ import annotations

from training.errors import TrainingError


class FinetuningError(TrainingError):
    """The fine-tuning failed."""


class RecipeError(FinetuningError):
    """The recipe is not as it should be."""


class RunError(FinetuningError):
    """The folder of the run is not as it should be."""


class RecipeChanged(RunError):
    """The run was begun with another recipe or other data."""


class NoSuchRun(RunError):
    """There is no such run."""


class ExportError(FinetuningError):
    """The adapter could not be exported."""


class PublishError(FinetuningError):
    """The adapter could not be published."""

"""The exceptions of the training package, as one tree.

    TrainingError
    ├── DataError
    │   ├── MissingData
    │   └── MalformedRow
    ├── CannotRead
    └── MissingExtra

A class's docstring is its message where none is given.
"""

from __future__ import annotations

import inspect
from pathlib import Path


class TrainingError(Exception):
    """Something in the training package failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.getdoc(type(self)))


class DataError(TrainingError):
    """The data is not as it should be."""


class MissingData(DataError):
    """There is no data where it was looked for."""


class MalformedRow(DataError):
    """A row of a data file is not what its format says."""

    def __init__(self, file: Path | str, line: int, reason: str) -> None:
        """`line` counts from 1; for a file that is one list, it is the row's place in the list."""
        super().__init__(f"{file}:{line}: {reason}")
        self.file = Path(file)
        self.line = line
        self.reason = reason


class CannotRead(TrainingError):
    """A file or a dataset to import is in no form that is known."""


class MissingExtra(TrainingError):
    """A package that this needs is not installed: pip install 'fanfabler[train]'."""

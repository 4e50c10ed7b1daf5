"""The exceptions of the model package, as one tree.

    ModelError
    ├── CatalogueError
    ├── UnknownPromptFormat
    ├── PromptError
    │   └── PromptTooLong
    ├── MissingPackage
    └── WikipediaUnavailable

A class's docstring is its message where none is given.
"""

from __future__ import annotations

import inspect


class ModelError(Exception):
    """Something in the model package failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.getdoc(type(self)))


class CatalogueError(ModelError):
    """A file of the shipped catalogue is missing or malformed."""


class UnknownPromptFormat(ModelError):
    """There is no prompt format of this name."""


class PromptError(ModelError):
    """These messages cannot be rendered as a prompt."""


class PromptTooLong(PromptError):
    """The system prompt and the last message alone do not fit the context window."""


class MissingPackage(ModelError):
    """An optional package that this needs is not installed."""


class WikipediaUnavailable(ModelError):
    """Wikipedia could not be asked; go on without it."""

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        """`retry_after`: seconds until asking again makes sense, where that is known."""
        super().__init__(message)
        self.retry_after = retry_after

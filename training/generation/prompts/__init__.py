"""The named sets of prompts. A set decides what is asked for at each stage; who asks, and how, it does not know."""

from __future__ import annotations

from training.generation.errors import CannotGenerate
from training.generation.prompts.base import Draft, PromptSet

SETS = ("spec", "article")
"""Names of the sets, the default first."""


def load_set(name: str) -> PromptSet:
    """The prompt set of this name. Raises `CannotGenerate`."""
    if name == "spec":
        from training.generation.prompts.spec import SpecPrompts

        return SpecPrompts()
    if name == "article":
        from training.generation.prompts.article import ArticlePrompts

        return ArticlePrompts()
    raise CannotGenerate(f"there is no prompt set {name!r}; there are {', '.join(SETS)}")


__all__ = ["SETS", "Draft", "PromptSet", "load_set"]

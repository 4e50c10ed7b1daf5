"""The works that chats are written about: from the catalogue, a folder, or proposed by the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.chats import PROPERTIES as CATALOGUE
from training.chats import Property, read_properties
from training.generation.errors import CannotGenerate

FROM_CATALOGUE, FROM_MODEL = "catalogue", "model"


def read_works(source: str, languages: Sequence[str]) -> dict[str, list[Property]]:
    """Language → its works; empty where the model is to propose them. Raises `DataError`."""
    if source == FROM_MODEL:
        return {}
    folder = CATALOGUE if source == FROM_CATALOGUE else Path(source)
    return {code: read_properties(folder / f"{code}.json") for code in languages}


def choose(text: str | None) -> set[int] | None:
    """Which works, counted from 1: `3` is the first three, `1,5,7` and `4-6` are those. None is all of them."""
    if text is None:
        return None
    try:
        if text.isdigit():
            return set(range(1, int(text) + 1))
        chosen: set[int] = set()
        for part in text.split(","):
            first, _, last = part.partition("-")
            chosen |= set(range(int(first), int(last or first) + 1))
    except ValueError as error:
        raise CannotGenerate(
            f"--works {text}: give a number, or numbers and ranges such as 1,5,7-9"
        ) from error
    return chosen

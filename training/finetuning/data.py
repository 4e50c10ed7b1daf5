"""Which chats a run is trained and validated on, and a hash that tells one set from another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from training.chats import DATA, Chat, chat_line, read_chats
from training.errors import MissingData


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The chats of a dataset's splits; the test split is never read here."""

    train: list[Chat]
    validation: list[Chat]

    @property
    def digest(self) -> str:
        """A hash over all rows in their order."""
        found = hashlib.sha256()
        for side in (self.train, self.validation):
            for chat in side:
                found.update(chat_line(chat).encode())
            found.update(b"\0")
        return found.hexdigest()[:16]

    def languages(self) -> list[str]:
        """The codes of the languages that are trained on, in the order of their first chat."""
        return list(dict.fromkeys(chat.language for chat in self.train))


def read_data(
    folder: Path | None, languages: frozenset[str] | None = None, limit: int | None = None
) -> TrainingData:
    """`splits/train.jsonl` and `validation.jsonl` of a dataset, the shipped one where none is given.

    `languages` keeps only chats in these; `limit` only so many to train on, and a tenth to validate on, at
    least two. Raises `DataError`.
    """
    splits = (folder or DATA) / "splits"
    train, validation = (read_chats(splits / f"{side}.jsonl") for side in ("train", "validation"))
    if languages:
        train = [chat for chat in train if chat.language in languages]
        validation = [chat for chat in validation if chat.language in languages]
    if limit:
        train, validation = train[:limit], validation[: max(limit // 10, 2)]
    if not train or not validation:
        raise MissingData(f"{splits} has no chats to train or to validate on")
    return TrainingData(train, validation)

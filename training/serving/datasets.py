"""What jobs can be trained on: the shipped chats, and the files that were uploaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from training.chats import DATA, Chat, read_chats
from training.serving.files import tokens_of
from training.serving.jobs import SHIPPED


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a job can be trained on."""

    id: str
    name: str
    rows: int
    tokens: int
    languages: tuple[str, ...]
    kind: str

    def for_client(self) -> dict[str, Any]:
        """For the API."""
        return {
            "id": self.id,
            "object": "dataset",
            "name": self.name,
            "rows": self.rows,
            "languages": list(self.languages),
            "kind": self.kind,
        }


@cache
def shipped() -> Dataset:
    """The data that comes with this package. Takes long the first time."""
    chats = shipped_chats()
    languages = tuple(dict.fromkeys(chat.language for chat in chats))
    return Dataset(SHIPPED, "FanFabler's own chats", *size_of(chats), languages, "chats")


@cache
def shipped_chats() -> Sequence[Chat]:
    """Its chats. Takes long the first time."""
    return tuple(read_chats(DATA / "splits" / "train.jsonl"))


def size_of(chats: Iterable[Chat], languages: Collection[str] | None = None) -> tuple[int, int]:
    """Rows and estimated tokens, of these languages alone where they are given."""
    counted = [tokens_of(chat) for chat in chats if languages is None or chat.language in languages]
    return len(counted), sum(counted)

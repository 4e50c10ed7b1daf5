"""Whose data, and from when: what an erasure is asked for, and the protocol for those who hold data elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

NOBODY = 0
"""What stands for a member whose id is gone, where there has to be one. No Discord id is 0."""


@dataclass(frozen=True)
class Subject:
    """A member whose data of up to `before` is to go. Known by id when they ask; when a log is replayed, only by what
    it has of them, so that whose a row is can be told by trying."""

    is_member: Callable[[int], bool]
    before: datetime

    @classmethod
    def known(cls, member_id: int, before: datetime) -> Subject:
        """The member with this id."""
        return cls(lambda candidate: candidate == member_id, before)

    def among(self, candidates: Iterable[int]) -> set[int]:
        """Those of these ids that are the member's: one or none."""
        return {candidate for candidate in candidates if self.is_member(candidate)}


class DataHolder(Protocol):
    """A place beside the database where members' data may lie: training files that were uploaded, samples in reports,
    the rows of the next training set. It is handed to `bot.application.open_foundation`, and then has its say in every
    export and deletion.

    `bot.operation.forgetting.TrainerHolder` is one. Whoever else copies data out of the database must come with
    another.
    """

    @property
    def name(self) -> str:
        """What it holds, for the receipt: an English plural such as «training rows»."""
        ...

    async def collect(self, member_id: int) -> list[dict[str, Any]]:
        """What it holds of a member, fit for JSON."""
        ...

    async def forget(self, subject: Subject) -> int:
        """Delete all of it, and return how many things that were. May be called again for the same subject, also
        after a crash half-way and when a backup was restored; raises where it cannot, and is called again then."""
        ...

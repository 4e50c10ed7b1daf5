"""Which servers a process is connected to, where the servers of a large bot are divided among several.
https://discord.com/developers/docs/events/gateway#sharding"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Integer, SQLColumnExpression, bindparam, func, literal

# What stands below these bits of an id does not count.
_TIME_BITS = 22


@dataclass(frozen=True)
class Shard:
    """One part of `count`; what belongs to no server is the first part's."""

    number: int = 0
    count: int = 1

    @property
    def is_all(self) -> bool:
        """Whether there is nothing to divide."""
        return self.count == 1


ALL = Shard()
"""Every server."""


def is_covered(guild_id: SQLColumnExpression[int | None]) -> ColumnElement[bool]:
    """Whether a row's server is of this part, by Discord's formula; the parameters `shard_number` and `shard_count` are
    to be given."""
    time = func.coalesce(guild_id, 0).bitwise_rshift(literal(_TIME_BITS, Integer))
    count, number = (bindparam(name, type_=Integer) for name in ("shard_count", "shard_number"))
    return time % count == number

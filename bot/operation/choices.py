"""Which model answers where, as rows: the newest choice of a server holds, else the newest for all servers, else the
worker's own first model. Each choice knows the one before it, so that going back is one step, and the history stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.tables import ModelActivation
from bot.guilds.repository import GuildRepository
from bot.operation.errors import NothingToRollBack


@dataclass(frozen=True)
class Choice:
    """A model by the name under which the worker serves it. `path` is where its adapter lies on the worker's machine;
    None is one that the worker has of itself."""

    name: str
    path: str | None


@dataclass(frozen=True)
class RolledBack:
    """What was in use, and what is now; None is nothing chosen."""

    before: Choice | None
    now: Choice | None


class ModelChoices:
    """The choices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def for_guild(self, guild_id: int | None) -> Choice | None:
        """What answers in a server now; None is the worker's own first model."""
        async with self._database.reading() as session:
            own = await _newest(session, guild_id) if guild_id is not None else None
            if own is None or own.adapter is None:
                own = await _newest(session, None)
        return _choice(own)

    async def in_use(self) -> list[Choice]:
        """All that answer anywhere now, each once."""
        newest = select(func.max(ModelActivation.id)).group_by(ModelActivation.guild_id)
        async with self._database.reading() as session:
            rows = await session.scalars(
                select(ModelActivation)
                .where(ModelActivation.id.in_(newest), ModelActivation.adapter.is_not(None))
                .order_by(ModelActivation.id)
            )
            found = {row.adapter: _choice(row) for row in rows}
        return [choice for choice in found.values() if choice is not None]

    async def where(self) -> dict[str, list[int | None]]:
        """Name of a model → where it was chosen and holds: servers' ids, None for all."""
        newest = select(func.max(ModelActivation.id)).group_by(ModelActivation.guild_id)
        found: dict[str, list[int | None]] = {}
        async with self._database.reading() as session:
            for row in await session.scalars(select(ModelActivation).where(ModelActivation.id.in_(newest))):
                if row.adapter is not None:
                    found.setdefault(row.adapter, []).append(row.guild_id)
        return found

    async def activate(
        self,
        scope: int | None,
        choice: Choice,
        *,
        actor_id: int,
        told_in: int,
        forced: bool = False,
        figures: Mapping[str, object] | None = None,
    ) -> None:
        """Have a model answer in one server, or (no `scope`) in all that have chosen none. `told_in` is the server in
        whose log it stands."""
        async with self._database.transaction() as session:
            before = await _newest(session, scope)
            session.add(
                ModelActivation(
                    guild_id=scope,
                    adapter=choice.name,
                    path=choice.path,
                    previous_id=before.id if before is not None else None,
                    forced=forced,
                    figures=dict(figures) if figures else None,
                    actor_id=actor_id,
                )
            )
            details = {"model": choice.name, "everywhere": scope is None, "forced": forced}
            GuildRepository(session).note(told_in, actor_id, "model activate", details)

    async def roll_back(self, scope: int | None, *, actor_id: int, told_in: int) -> RolledBack:
        """Go back to the choice before the one that holds, or to none where it was the first.

        Raises:
            NothingToRollBack: nothing is chosen there.
        """
        async with self._database.transaction() as session:
            current = await _newest(session, scope)
            if current is None or current.adapter is None:
                raise NothingToRollBack
            earlier = await session.get(ModelActivation, current.previous_id) if current.previous_id else None
            session.add(
                ModelActivation(
                    guild_id=scope,
                    adapter=earlier.adapter if earlier is not None else None,
                    path=earlier.path if earlier is not None else None,
                    previous_id=earlier.previous_id if earlier is not None else None,
                    rollback=True,
                    figures=earlier.figures if earlier is not None else None,
                    actor_id=actor_id,
                )
            )
            details = {
                "from": current.adapter,
                "model": earlier.adapter if earlier is not None else None,
                "everywhere": scope is None,
            }
            GuildRepository(session).note(told_in, actor_id, "model rollback", details)
            return RolledBack(_choice(current), _choice(earlier))

    async def history(self, scope: int | None, limit: int = 10) -> Sequence[ModelActivation]:
        """The newest choices of a server, or for all, newest first."""
        query = (
            select(ModelActivation).where(_in_scope(scope)).order_by(ModelActivation.id.desc()).limit(limit)
        )
        async with self._database.reading() as session:
            return (await session.scalars(query)).all()


def _in_scope(scope: int | None) -> ColumnElement[bool]:
    return ModelActivation.guild_id.is_(None) if scope is None else ModelActivation.guild_id == scope


async def _newest(session: AsyncSession, scope: int | None) -> ModelActivation | None:
    query = select(ModelActivation).where(_in_scope(scope)).order_by(ModelActivation.id.desc()).limit(1)
    return (await session.scalars(query)).one_or_none()


def _choice(row: ModelActivation | None) -> Choice | None:
    return Choice(row.adapter, row.path) if row is not None and row.adapter is not None else None

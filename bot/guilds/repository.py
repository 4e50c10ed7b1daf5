"""The settings of the servers and the log of their admins' actions, as rows. Flushes, never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import AuditEntry, GuildSettings, now


class GuildRepository:
    """The servers, over one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def settings(self, guild_id: int | None) -> GuildSettings:
        """What is set for a server; the defaults where nothing is, or where there is no server."""
        row = await self._session.get(GuildSettings, guild_id) if guild_id is not None else None
        return row or GuildSettings(guild_id=guild_id, mature=False)

    async def for_change(self, guild_id: int) -> GuildSettings:
        """The row of a server, locked, and made where there is none."""
        row = await self._session.get(GuildSettings, guild_id, with_for_update=True)
        if row is None:
            row = GuildSettings(guild_id=guild_id)
            self._session.add(row)
            await self._session.flush()
        row.updated_at = now()
        return row

    def note(self, guild_id: int | None, actor_id: int, action: str, details: Mapping[str, object]) -> None:
        """Write down what an admin did. Ids of people in `details` are numbers under the key `member`, where
        the deletion of a member's data finds them."""
        self._session.add(
            AuditEntry(guild_id=guild_id, actor_id=actor_id, action=action, details=dict(details))
        )

    async def audit(
        self,
        guild_id: int,
        limit: int = 20,
        *,
        before: int | None = None,
        after: int | None = None,
        everywhere: bool = False,
    ) -> Sequence[AuditEntry]:
        """Entries of a server's log, newest first: the newest ones, or those next to the entry of an id, `before` or
        `after` it. With `everywhere`, what was done for all servers is among them."""
        ours = AuditEntry.guild_id == guild_id
        query = select(AuditEntry).where(or_(ours, AuditEntry.guild_id.is_(None)) if everywhere else ours)
        if after is not None:
            nearest = query.where(AuditEntry.id > after).order_by(AuditEntry.id).limit(limit)
            return list(reversed((await self._session.scalars(nearest)).all()))
        if before is not None:
            query = query.where(AuditEntry.id < before)
        return (await self._session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit))).all()

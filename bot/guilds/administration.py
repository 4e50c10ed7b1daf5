"""What the admins of a server can do, each as one transaction that also writes it into the server's log. Knows no
Discord: ids in, rows out."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from bot.database.connection import Database
from bot.database.tables import AuditEntry, GuildSettings, Quota, QuotaSubject
from bot.guilds.repository import GuildRepository
from bot.limits.quotas import Quotas


class ChannelRule(enum.StrEnum):
    """What an admin wants of a channel."""

    ALLOW = "allow"
    EXCLUDE = "exclude"
    NEITHER = "neither"


@dataclass(frozen=True)
class Subject:
    """Whom a quota is for; `id` is a role's or a member's, else 0."""

    kind: QuotaSubject
    id: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" if self.id else str(self.kind)


@dataclass(frozen=True)
class AuditPage:
    """Some entries of a log, newest first, and whether there are more on either side."""

    entries: Sequence[AuditEntry]
    has_newer: bool
    has_older: bool


class Administration:
    """The settings and quotas of the servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settings(self, guild_id: int) -> GuildSettings:
        """What is set for a server."""
        async with self._database.reading() as session:
            return await GuildRepository(session).settings(guild_id)

    async def set_channel(
        self, guild_id: int, actor_id: int, channel_id: int, rule: ChannelRule
    ) -> GuildSettings:
        """Allow a channel or a category, exclude it, or neither."""
        async with self._database.transaction() as session:
            repository = GuildRepository(session)
            row = await repository.for_change(guild_id)
            allowed = [c for c in row.allowed_channels or [] if c != channel_id]
            excluded = [c for c in row.excluded_channels or [] if c != channel_id]
            if rule is ChannelRule.ALLOW:
                allowed.append(channel_id)
            elif rule is ChannelRule.EXCLUDE:
                excluded.append(channel_id)
            row.allowed_channels, row.excluded_channels = allowed or None, excluded or None
            details = {"channel": channel_id, "rule": rule.value}
            repository.note(guild_id, actor_id, "settings channels", details)
            return row

    async def set_channels(
        self, guild_id: int, actor_id: int, rule: ChannelRule, channels: Sequence[int]
    ) -> GuildSettings:
        """Allow (or exclude) exactly these channels and categories. One that is on the other list leaves that."""
        async with self._database.transaction() as session:
            repository = GuildRepository(session)
            row = await repository.for_change(guild_id)
            chosen = list(dict.fromkeys(channels))
            if rule is ChannelRule.ALLOW:
                excluded = [c for c in row.excluded_channels or [] if c not in chosen]
                row.allowed_channels, row.excluded_channels = chosen or None, excluded or None
            else:
                allowed = [c for c in row.allowed_channels or [] if c not in chosen]
                row.allowed_channels, row.excluded_channels = allowed or None, chosen or None
            details = {"channels": chosen, "rule": rule.value}
            repository.note(guild_id, actor_id, "settings channels", details)
            return row

    async def set_mature(self, guild_id: int, actor_id: int, *, allowed: bool) -> GuildSettings:
        """Allow mature stories in age-restricted channels, or not."""
        async with self._database.transaction() as session:
            repository = GuildRepository(session)
            row = await repository.for_change(guild_id)
            row.mature = allowed
            repository.note(guild_id, actor_id, "settings mature", {"allowed": allowed})
            return row

    async def set_moderator_channel(
        self, guild_id: int, actor_id: int, channel_id: int | None
    ) -> GuildSettings:
        """Where the server's moderators are told of what was blocked; None: nowhere."""
        async with self._database.transaction() as session:
            repository = GuildRepository(session)
            row = await repository.for_change(guild_id)
            row.moderator_channel_id = channel_id
            repository.note(guild_id, actor_id, "settings moderators", {"channel": channel_id})
            return row

    async def audit(
        self,
        guild_id: int,
        *,
        before: int | None = None,
        after: int | None = None,
        everywhere: bool = False,
        limit: int = 10,
    ) -> AuditPage:
        """A page of a server's log: the newest, or the one `before` or `after` the entry of an id."""
        async with self._database.reading() as session:
            repository = GuildRepository(session)
            found = await repository.audit(guild_id, limit, before=before, after=after, everywhere=everywhere)
            if not found:
                return AuditPage(found, has_newer=False, has_older=False)
            newer = await repository.audit(guild_id, 1, after=found[0].id, everywhere=everywhere)
            older = await repository.audit(guild_id, 1, before=found[-1].id, everywhere=everywhere)
        return AuditPage(found, has_newer=bool(newer), has_older=bool(older))

    async def quotas(self, guild_id: int) -> Sequence[Quota]:
        """The quotas of a server."""
        async with self._database.reading() as session:
            return await Quotas(session).of_guild(guild_id)

    async def set_quota(
        self,
        guild_id: int,
        actor_id: int,
        subject: Subject,
        answers_per_day: int | None,
        concurrency: int | None,
    ) -> None:
        """Give somebody a quota, in place of an earlier one. None is no limit of that kind."""
        async with self._database.transaction() as session:
            await Quotas(session).set(
                guild_id, subject.kind, subject.id, answers_per_day=answers_per_day, concurrency=concurrency
            )
            details = {**_named(subject), "answers_per_day": answers_per_day, "concurrency": concurrency}
            GuildRepository(session).note(guild_id, actor_id, "quota set", details)

    async def remove_quota(self, guild_id: int, actor_id: int, subject: Subject) -> bool:
        """Take a quota away. Whether there was one."""
        async with self._database.transaction() as session:
            there = await Quotas(session).remove(guild_id, subject.kind, subject.id)
            if there:
                GuildRepository(session).note(guild_id, actor_id, "quota remove", _named(subject))
            return there


def _named(subject: Subject) -> dict[str, object]:
    """A subject in the log, where people are found under the key `member`."""
    if subject.kind in (QuotaSubject.ROLE, QuotaSubject.MEMBER):
        return {"subject": subject.kind.value, subject.kind.value: subject.id}
    return {"subject": subject.kind.value}

"""Telling a server's moderators of what was blocked and must be known: in the channel that its admins chose, else to
the server's owner. Who, where, when and why; never the text, which nobody has any more."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

import aiohttp
import discord
from discord.utils import format_dt

from bot.database.connection import Database
from bot.database.tables import Direction, ModerationEvent
from bot.discord.errands import Errands
from bot.discord.replies import NOBODY
from bot.guilds.repository import GuildRepository
from bot.moderation.reports import DueReports
from bot.words import Words, words_for

log = logging.getLogger(__name__)


class ModeratorReports(Errands):
    """Sends the reports that are due."""

    def __init__(self, client: discord.Client, database: Database) -> None:
        super().__init__(client)
        self._database = database
        self._reports = DueReports(database)

    async def do_due(self) -> None:
        """Report to the servers that this process is connected to."""
        for event in await self._reports.due():
            guild = self._client.get_guild(event.guild_id or 0)
            if guild is None:
                continue
            try:
                if await self._tell(guild, event):
                    await self._reports.told(event.id)
            except Exception:  # the other servers' moderators are still to be told
                log.exception("could not report to the moderators of server %s", guild.id)

    async def _tell(self, guild: discord.Guild, event: ModerationEvent) -> bool:
        async with self._database.reading() as session:
            settings = await GuildRepository(session).settings(guild.id)
        text = report_text(words_for(guild.preferred_locale.value), guild, event)
        channel_id, owner_id = settings.moderator_channel_id, guild.owner_id
        if channel_id is not None:
            channel = self._client.get_partial_messageable(channel_id, guild_id=guild.id)
            if await _told(guild, channel.send(text, allowed_mentions=NOBODY)):
                return True
        return owner_id is not None and await _told(guild, self._tell_owner(owner_id, text))

    async def _tell_owner(self, owner_id: int, text: str) -> None:
        owner = await self._client.fetch_user(owner_id)
        await owner.send(text, allowed_mentions=NOBODY)


async def _told(guild: discord.Guild, telling: Awaitable[object]) -> bool:
    try:
        await telling
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("could not tell the moderators of server %s: %s", guild.id, error)
        return False
    return True


def report_text(words: Words, guild: discord.Guild, event: ModerationEvent) -> str:
    """What moderators are told."""
    facts = {
        "server": guild.name,
        "member": f"<@{event.member_id}>",
        "place": f"<#{event.channel_id}>",
        "when": format_dt(event.created_at, "f"),
    }
    if event.direction is Direction.INPUT:
        said = words.say(
            "🚨 In {server}, I have blocked a message by {member} in {place}, {when}: the content check found "
            "sexual content about minors in it. I have not kept the message; it may still stand where it was written.",
            **facts,
        )
    else:
        said = words.say(
            "🚨 In {server}, I have blocked an answer of mine that {member} had asked for in {place}, {when}: the "
            "content check found sexual content about minors in it. I have taken it back and not kept it.",
            **facts,
        )
    return said

"""Telling Discord which commands there are, but only when they changed: it allows few such calls a day."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence

import discord
from discord import app_commands
from sqlalchemy import delete, select

from bot.database.connection import Database
from bot.database.tables import Remembered
from bot.discord.command_mentions import CommandMentions

log = logging.getLogger(__name__)

_GLOBAL = "global"


async def sync_if_changed(
    tree: app_commands.CommandTree[discord.Client],
    database: Database,
    guild: discord.abc.Snowflake | None = None,
    mentions: CommandMentions | None = None,
) -> bool:
    """Sync the commands of a guild (or the global ones) unless Discord has exactly these. Returns whether it did.
    `mentions` learns their ids."""
    translator = tree.translator
    payload = [
        await command.get_translated_payload(tree, translator) if translator else command.to_dict(tree)
        for command in tree.get_commands(guild=guild)
    ]
    fingerprint = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
    key = _key(tree, guild)
    async with database.reading() as session:
        remembered = await session.get(Remembered, key)
    found = await tree.fetch_commands(guild=guild)
    there = {(c.name, c.type) for c in found}
    here = {(c["name"], discord.AppCommandType(c.get("type", 1))) for c in payload}
    as_known = remembered is not None and remembered.value == fingerprint and there == here
    if not as_known:
        found = await tree.sync(guild=guild)
    if mentions is not None:
        mentions.learn(found, guild.id if guild else None)
    if as_known:
        return False
    async with database.transaction() as session:
        await session.merge(Remembered(key=key, value=fingerprint))
    log.info("synced %d commands%s", len(payload), f" in guild {guild.id}" if guild else "")
    return True


async def sync_operator_guilds(
    tree: app_commands.CommandTree[discord.Client],
    database: Database,
    guilds: Sequence[discord.abc.Snowflake],
    mentions: CommandMentions | None = None,
) -> None:
    """Sync the commands of the operator's servers, and take them out of those that were some before. A server that the
    bot is not in is told of, and is no reason not to start."""
    for guild in guilds:
        try:
            await sync_if_changed(tree, database, guild, mentions)
        except (discord.Forbidden, discord.NotFound):
            log.warning(
                "the operator's commands cannot be registered in server %s (OPERATOR_GUILD_IDS): invite the bot there "
                "with its invitation link, then start it again",
                guild.id,
            )
    prefix = _key(tree, None).removesuffix(_GLOBAL)
    async with database.reading() as session:
        known = await session.scalars(select(Remembered.key).where(Remembered.key.startswith(prefix)))
        places = {key.removeprefix(prefix) for key in known} - {_GLOBAL}
    for place in sorted(places - {str(guild.id) for guild in guilds}):
        former = discord.Object(int(place))
        try:
            await tree.sync(guild=former)
        except (discord.Forbidden, discord.NotFound):
            log.info("server %s is out of reach; its commands went with the bot", place)
        async with database.transaction() as session:
            await session.execute(delete(Remembered).where(Remembered.key == prefix + place))


def _key(tree: app_commands.CommandTree[discord.Client], guild: discord.abc.Snowflake | None) -> str:
    return f"commands:{tree.client.application_id}:{guild.id if guild else _GLOBAL}"

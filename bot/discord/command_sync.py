"""Telling Discord which commands there are, but only when they changed: it allows few such calls a day."""

from __future__ import annotations

import hashlib
import json
import logging

import discord
from discord import app_commands

from bot.database.connection import Database
from bot.database.tables import Remembered

log = logging.getLogger(__name__)


async def sync_if_changed(
    tree: app_commands.CommandTree[discord.Client],
    database: Database,
    guild: discord.abc.Snowflake | None = None,
) -> bool:
    """Sync the commands of a guild (or the global ones) unless Discord has exactly these. Returns whether it did."""
    translator = tree.translator
    payload = [
        await command.get_translated_payload(tree, translator) if translator else command.to_dict(tree)
        for command in tree.get_commands(guild=guild)
    ]
    fingerprint = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
    key = f"commands:{tree.client.application_id}:{guild.id if guild else 'global'}"
    async with database.transaction() as session:
        remembered = await session.get(Remembered, key)
    there = {(c.name, c.type) for c in await tree.fetch_commands(guild=guild)}
    here = {(c["name"], discord.AppCommandType(c.get("type", 1))) for c in payload}
    if remembered is not None and remembered.value == fingerprint and there == here:
        return False
    await tree.sync(guild=guild)
    async with database.transaction() as session:
        await session.merge(Remembered(key=key, value=fingerprint))
    log.info("synced %d commands%s", len(payload), f" in guild {guild.id}" if guild else "")
    return True

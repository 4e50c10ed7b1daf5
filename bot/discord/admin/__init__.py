"""The `/admin` commands, for those who manage a server. Each module holds the commands of one kind as a part of
`AdminCog`; discord.py puts them together into the one group. What they do is the services'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.discord.admin.audit import AuditCommands
from bot.discord.admin.controls import (
    AdminButton,
    AdminChannelSelect,
    AdminSelect,
    AdminSubjectSelect,
    Press,
)
from bot.discord.admin.health import HealthCommands
from bot.discord.admin.queue import QueueCommands
from bot.discord.admin.quota import QuotaCommands
from bot.discord.admin.settings import SettingsCommands
from bot.discord.admin.stats import StatsCommands
from bot.discord.replies import reply_error
from bot.words import to_say

if TYPE_CHECKING:
    from bot.discord.client import Parts

CONTROLS = (AdminButton, AdminSelect, AdminChannelSelect, AdminSubjectSelect)


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class AdminCog(
    AuditCommands,
    HealthCommands,
    QueueCommands,
    QuotaCommands,
    SettingsCommands,
    StatsCommands,
    commands.GroupCog,
    group_name=locale_str(to_say("admin")),
    group_description=locale_str(to_say("For those who manage this server")),
):
    """Parses, calls a service, renders."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._forms = {"quota": self.quota_sent}
        self._panels = {
            "audit": self.audit_pressed,
            "health": self.health_pressed,
            "queue": self.queue_pressed,
            "quota": self.quota_pressed,
            "settings": self.settings_pressed,
            "stats": self.stats_pressed,
        }

    async def interaction_check(self, interaction: discord.Interaction) -> bool:
        """Discord shows the commands to nobody else, and is not relied upon.

        Raises:
            NotAnAdmin: the member does not manage this server.
        """
        await self._parts.admin_access.require(interaction)
        return True

    async def sent(self, interaction: discord.Interaction, press: Press, filled: dict[str, str]) -> None:
        """A form of these commands was sent in."""
        try:
            await self._parts.admin_access.require(interaction)
            await self._forms[press.panel](interaction, press, filled)
        except Exception as error:
            await reply_error(interaction, error)

    async def pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """A button or a select of what these commands show."""
        try:
            await self._parts.admin_access.require(interaction)
            await self._panels[press.panel](interaction, press)
        except Exception as error:
            await reply_error(interaction, error)

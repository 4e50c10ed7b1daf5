"""Who may use `/admin`, by command, button, select or form: those who manage the server, and whom it lets in on
Discord's own Integrations page. And who runs the bot: its owners, in a server that the settings name."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, cast

import discord
from discord.ext import commands

from bot.discord.places import role_ids
from bot.discord.replies import NotAnAdmin, NotAnOperator

log = logging.getLogger(__name__)

_ROLE, _USER = 1, 2
_COMMAND = "admin"


class AdminAccess:
    """Asks Discord anew at every interaction. `operator_guilds` are the servers in which the bot's owners see and
    steer more than that server."""

    def __init__(self, operator_guilds: Collection[int] = ()) -> None:
        self._operator_guilds = frozenset(operator_guilds)
        self._command_id: int | None = None

    async def require(self, interaction: discord.Interaction) -> None:
        """See that the member may administer the server; a refusal is logged.

        Raises:
            NotAnAdmin: they may not.
        """
        if not await self.may_administer(interaction):
            _log_refusal(interaction)
            raise NotAnAdmin

    async def require_operator(self, interaction: discord.Interaction) -> None:
        """See that the member runs the bot; a refusal is logged.

        Raises:
            NotAnOperator: they do not, or not here.
        """
        if not await self.operates(interaction):
            _log_refusal(interaction)
            raise NotAnOperator

    async def may_administer(self, interaction: discord.Interaction) -> bool:
        """Whether the member may use the command, or what it shows. Discord asks the same before it sends a command,
        and nothing before it sends a press; asked again here so that nothing hangs on its having done so."""
        if interaction.guild_id is None:
            return False
        if interaction.permissions.manage_guild:
            return True
        command_id = await self._id_of_command(interaction)
        if command_id is None:
            return False
        try:
            found = await interaction.client.http.get_application_command_permissions(
                interaction.application_id, interaction.guild_id, command_id
            )
        except discord.NotFound:  # Discord's answer where the server has set nothing
            return False
        return _lets_in(found["permissions"], interaction)

    async def operates(self, interaction: discord.Interaction) -> bool:
        """Whether the member runs the bot, and asks in a server of its operator's."""
        if interaction.guild_id not in self._operator_guilds:
            return False
        return await cast("commands.Bot", interaction.client).is_owner(interaction.user)

    async def _id_of_command(self, interaction: discord.Interaction) -> int | None:
        """The id that `/admin` has with Discord. What a press brings along is not believed."""
        if interaction.type is discord.InteractionType.application_command and interaction.data:
            return int(interaction.data["id"])  # type: ignore[typeddict-item]
        if self._command_id is None:
            tree = cast("commands.Bot", interaction.client).tree
            found = [c.id for c in await tree.fetch_commands() if c.name == _COMMAND]
            self._command_id = found[0] if found else None
        return self._command_id


def _log_refusal(interaction: discord.Interaction) -> None:
    who, where = interaction.user.id, interaction.guild_id
    log.warning("refused %s to member %s in server %s", _name_of(interaction), who, where)


def _name_of(interaction: discord.Interaction) -> str:
    if interaction.command is not None:
        return f"/{interaction.command.qualified_name}"
    data = cast("dict[str, Any]", interaction.data or {})
    return f"the control {str(data.get('custom_id', ''))[:100]!r}"


def _lets_in(overwrites: list[Any], interaction: discord.Interaction) -> bool:
    """A member's own entry goes before those of their roles, and those before everybody's; of roles, one that is let
    in suffices."""
    roles = set(role_ids(interaction.user)) - {interaction.guild_id}
    for kind, ids in ((_USER, {interaction.user.id}), (_ROLE, roles), (_ROLE, {interaction.guild_id})):
        said = [o["permission"] for o in overwrites if o["type"] == kind and int(o["id"]) in ids]
        if said:
            return any(said)
    return False

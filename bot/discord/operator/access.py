"""Who may use the operator's commands, by command, button or suggestion: the bot's owners, in a server of theirs.
Discord is not relied upon for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import discord
from discord import app_commands

if TYPE_CHECKING:
    from bot.discord.client import FanFabler

T = TypeVar("T")


async def operates(interaction: discord.Interaction) -> bool:
    """Whether the member runs the bot, and asks in a server of its operator's."""
    return await cast("FanFabler", interaction.client).parts.admin_access.operates(interaction)


async def require_operator(interaction: discord.Interaction) -> None:
    """Raises `NotAnOperator`; a refusal is logged."""
    await cast("FanFabler", interaction.client).parts.admin_access.require_operator(interaction)


class OperatorGroup(app_commands.Group):
    """A group of commands for those who run the bot."""

    async def interaction_check(self, interaction: discord.Interaction) -> bool:
        """Raises `NotAnOperator`."""
        await require_operator(interaction)
        return True


def for_operators(suggest: T) -> T:
    """Nobody else is suggested anything."""
    return app_commands.check(operates)(suggest)

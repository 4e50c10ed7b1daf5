"""The mentions of commands, as they are once Discord has said the ids."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord.canon_command import CanonCog
from bot.discord.command_mentions import CommandMentions
from bot.discord.general import GeneralCog
from bot.discord.operator import OperatorCog
from bot.discord.privacy import PrivacyCog
from bot.discord.story import StoryCog

LONGEST_ID = 2**64 - 1


def commands_with(command_id: int) -> list[app_commands.AppCommand]:
    """All commands, the operator's among them, as Discord lists them; each with this id."""
    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents(guilds=True)))
    registered: list[app_commands.Command[Any, ..., Any] | app_commands.Group] = []
    for kind in (StoryCog, CanonCog, GeneralCog, PrivacyCog, OperatorCog):
        cog: commands.Cog = kind.__new__(kind)  # its commands need none of the parts
        registered += [cog.app_command] if cog.app_command is not None else cog.get_app_commands()
    own = {"id": command_id, "application_id": 1, "version": 1}
    return [
        app_commands.AppCommand(data=cast("Any", {**command.to_dict(tree), **own}), state=cast("Any", None))
        for command in registered
    ]


def known_mentions(command_id: int = LONGEST_ID) -> CommandMentions:
    """Mentions that know all commands."""
    mentions = CommandMentions()
    mentions.learn(commands_with(command_id))
    return mentions

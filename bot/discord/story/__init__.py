"""The `/story` commands and the message command. Each module holds the commands of one kind as a part of `StoryCog`;
discord.py puts them together into the one group. What they do is the services'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.discord.story.context import ContextCommands
from bot.discord.story.export import ExportCommands
from bot.discord.story.memory import MemoryCommands
from bot.discord.story.rating import RatingCommands
from bot.discord.story.start import StartCommands
from bot.discord.story.steer import SteerCommands
from bot.words import to_say

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts


@app_commands.guild_only()
class StoryCog(
    StartCommands,
    SteerCommands,
    RatingCommands,
    ExportCommands,
    MemoryCommands,
    ContextCommands,
    commands.GroupCog,
    group_name=locale_str(to_say("story")),
    group_description=locale_str(to_say("Write fan fiction together")),
):
    """Parses, calls a service, renders."""

    def __init__(self, client: FanFabler, parts: Parts) -> None:
        self._client = client
        self._parts = parts
        self._write_about = app_commands.ContextMenu(
            name=locale_str(to_say("Write about this")), callback=self.write_about
        )
        self._pin_this = app_commands.ContextMenu(
            name=locale_str(to_say("Pin to the story")), callback=self.pin_this
        )
        self._message_commands = (self._write_about, self._pin_this)
        for command in self._message_commands:
            command.guild_only = True

    async def cog_load(self) -> None:
        """Register the message commands, which a cog cannot hold by itself."""
        for command in self._message_commands:
            self._client.tree.add_command(command)

    async def cog_unload(self) -> None:
        """And take them away again."""
        for command in self._message_commands:
            self._client.tree.remove_command(command.name, type=command.type)

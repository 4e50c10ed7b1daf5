"""`/admin settings`: where stories may begin, whether they may be mature, where moderators are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.discord.admin.settings_panel import SettingsPanel
from bot.discord.replies import whisper
from bot.discord.settings_told import channels_told, mature_told, may_write, moderators_told
from bot.guilds.administration import ChannelRule
from bot.words import to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

_StoryPlace = discord.TextChannel | discord.ForumChannel | discord.VoiceChannel | discord.CategoryChannel


class SettingsCommands(SettingsPanel):
    """A part of `AdminCog`: the server's settings."""

    _parts: Parts

    settings = app_commands.Group(
        name=locale_str(to_say("settings")), description=locale_str(to_say("How I behave in this server"))
    )

    @settings.command(
        name=locale_str(to_say("show")), description=locale_str(to_say("What is set for this server"))
    )
    async def show_settings(self, interaction: discord.Interaction) -> None:
        """All settings, in words, and what changes them."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self.show_panel(interaction)

    @settings.command(
        name=locale_str(to_say("channels")),
        description=locale_str(to_say("Allow or exclude a channel or a category for new stories")),
    )
    @app_commands.rename(channel=locale_str(to_say("channel")), rule=locale_str(to_say("rule")))
    @app_commands.describe(
        channel=locale_str(to_say("A channel, or a category with all that is in it")),
        rule=locale_str(to_say("Once one is allowed, only allowed ones are open; excluded ones never are")),
    )
    @app_commands.choices(
        rule=[
            app_commands.Choice(name=locale_str(to_say("allow")), value=ChannelRule.ALLOW.value),
            app_commands.Choice(name=locale_str(to_say("exclude")), value=ChannelRule.EXCLUDE.value),
            app_commands.Choice(name=locale_str(to_say("neither")), value=ChannelRule.NEITHER.value),
        ]
    )
    async def set_channels(self, interaction: discord.Interaction, channel: _StoryPlace, rule: str) -> None:
        """Say where stories may begin."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        row = await self._parts.administration.set_channel(
            interaction.guild_id or 0, interaction.user.id, channel.id, ChannelRule(rule)
        )
        note = words.say("Stories that are written already go on where they are; **/story close** ends one.")
        await whisper(interaction, f"{channels_told(words, row)}\n{note}")

    @settings.command(
        name=locale_str(to_say("mature")),
        description=locale_str(to_say("Whether stories in age-restricted channels may be rated mature")),
    )
    @app_commands.rename(allowed=locale_str(to_say("allowed")))
    @app_commands.describe(allowed=locale_str(to_say("Yes or no")))
    async def set_mature(self, interaction: discord.Interaction, allowed: bool) -> None:
        """Allow mature stories, or not."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        row = await self._parts.administration.set_mature(
            interaction.guild_id or 0, interaction.user.id, allowed=allowed
        )
        await whisper(interaction, mature_told(words, row, moderated=self._parts.guard.moderated))

    @settings.command(
        name=locale_str(to_say("moderators")),
        description=locale_str(to_say("The channel where your moderators are told of what I had to block")),
    )
    @app_commands.rename(channel=locale_str(to_say("channel")))
    @app_commands.describe(channel=locale_str(to_say("Left out: none; then I write to the server's owner")))
    async def set_moderators(
        self, interaction: discord.Interaction, channel: discord.TextChannel | None = None
    ) -> None:
        """Say where moderators are told."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        if channel is not None and not may_write(channel):
            await whisper(
                interaction,
                words.say(
                    "I cannot write in {channel}. Let me see it and send messages there.",
                    channel=channel.mention,
                ),
            )
            return
        row = await self._parts.administration.set_moderator_channel(
            interaction.guild_id or 0, interaction.user.id, channel.id if channel else None
        )
        await whisper(interaction, moderators_told(words, row))

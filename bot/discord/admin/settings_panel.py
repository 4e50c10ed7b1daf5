"""What `/admin settings show` shows: the settings in words, and selects and a button that change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import ui
from discord.ext import commands

from bot.database.tables import GuildSettings
from bot.discord.admin.controls import MOST_CHANNELS, AdminButton, AdminChannelSelect, Press
from bot.discord.colours import INFORMATION
from bot.discord.replies import NOBODY
from bot.discord.settings_told import channels_told, mature_told, may_write, moderators_told
from bot.guilds.administration import ChannelRule
from bot.text.length import shorten
from bot.words import Words, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "settings"
_PLACEHOLDER_LIMIT = 150
_PLACES = (
    discord.ChannelType.text,
    discord.ChannelType.forum,
    discord.ChannelType.voice,
    discord.ChannelType.category,
)


class SettingsPanel(commands.Cog):
    """A part of `AdminCog`: the server's settings by selects and a button."""

    _parts: Parts

    async def show_panel(self, interaction: discord.Interaction, notice: str = "") -> None:
        """The panel, as the answer to a deferred interaction."""
        words = words_for(str(interaction.locale))
        row = await self._parts.administration.settings(interaction.guild_id or 0)
        moderated = self._parts.guard.moderated
        embed = discord.Embed(title=words.say("How I behave in this server"), colour=INFORMATION)
        embed.add_field(name=words.say("Where stories begin"), value=channels_told(words, row), inline=False)
        embed.add_field(
            name=words.say("Mature stories"), value=mature_told(words, row, moderated=moderated), inline=False
        )
        embed.add_field(name=words.say("Your moderators"), value=moderators_told(words, row), inline=False)
        await interaction.edit_original_response(
            content=notice or None, embed=embed, view=_controls(words, row), allowed_mentions=NOBODY
        )

    async def settings_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """Take over what was chosen, then show how things are."""
        await interaction.response.defer()
        guild_id, actor = interaction.guild_id or 0, interaction.user.id
        administration = self._parts.administration
        words = words_for(str(interaction.locale))
        chosen = [int(value) for value in press.values if value.isdecimal()]
        notice = ""
        if press.action in (ChannelRule.ALLOW, ChannelRule.EXCLUDE):
            await administration.set_channels(guild_id, actor, ChannelRule(press.action), chosen)
            notice = words.say(
                "Stories that are written already go on where they are; **/story close** ends one."
            )
        elif press.action == "moderators":
            channel = interaction.guild.get_channel(chosen[0]) if chosen and interaction.guild else None
            if chosen and not (isinstance(channel, discord.TextChannel) and may_write(channel)):
                notice = words.say(
                    "I cannot write in {channel}. Let me see it and send messages there.",
                    channel=f"<#{chosen[0]}>",
                )
            else:
                await administration.set_moderator_channel(guild_id, actor, chosen[0] if chosen else None)
        elif press.action == "mature":
            await administration.set_mature(guild_id, actor, allowed=press.argument == "yes")
        await self.show_panel(interaction, notice)


def _controls(words: Words, row: GuildSettings) -> ui.View:
    view = ui.View(timeout=None)
    for number, (rule, chosen, told) in enumerate(
        (
            (
                ChannelRule.ALLOW,
                row.allowed_channels,
                words.say("Stories may begin only in … (none: everywhere)"),
            ),
            (ChannelRule.EXCLUDE, row.excluded_channels, words.say("Stories never begin in …")),
        )
    ):
        listed = chosen or []
        if len(listed) <= MOST_CHANNELS:  # a longer list would lose what does not fit; the command changes it
            placeholder = shorten(told, _PLACEHOLDER_LIMIT)
            press = Press(PANEL, rule.value)
            view.add_item(
                AdminChannelSelect(press, _PLACES, chosen=listed, placeholder=placeholder, row=number)
            )
    moderators = [row.moderator_channel_id] if row.moderator_channel_id is not None else []
    view.add_item(
        AdminChannelSelect(
            Press(PANEL, "moderators"),
            (discord.ChannelType.text,),
            chosen=moderators,
            most=1,
            placeholder=shorten(
                words.say("Where your moderators are told … (none: the owner)"), _PLACEHOLDER_LIMIT
            ),
            row=2,
        )
    )
    label = words.say("Allow no mature stories") if row.mature else words.say("Allow mature stories")
    press = Press(PANEL, "mature", "no" if row.mature else "yes")
    view.add_item(AdminButton(press, label=shorten(label, 80), row=3))
    return view

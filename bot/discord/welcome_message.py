"""The first message in a server: a greeting, what is set up and what is not, and three buttons for admins."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Any, Protocol, Self, cast

import discord
from discord import ui

from bot.discord.command_mentions import CommandMentions
from bot.discord.welcome_checklist import Check, checklist_embed, summary
from bot.text.length import shorten
from bot.words import Words, to_say

_MESSAGE_LIMIT = 2000
_LABEL_LIMIT = 80


class Offer(enum.StrEnum):
    """What a button does; the value is in its custom id, so it must not change."""

    CHECK = "check"
    SETTINGS = "settings"
    TRY = "try"


_LABELS = {
    Offer.CHECK: ("🔄", to_say("Check again"), discord.ButtonStyle.secondary),
    Offer.SETTINGS: ("⚙️", to_say("Open settings"), discord.ButtonStyle.secondary),
    Offer.TRY: ("📖", to_say("Try it"), discord.ButtonStyle.primary),
}


class WelcomePresses(Protocol):
    """The client, as far as a button needs it."""

    async def welcome_pressed(self, interaction: discord.Interaction, offer: Offer) -> None:
        """Somebody pressed a button under a greeting."""
        ...


class WelcomeButton(ui.DynamicItem[ui.Button[Any]], template=r"fw:(?P<offer>check|settings|try)"):
    """One button; discord.py makes it anew from the custom id when it is pressed."""

    def __init__(self, offer: Offer, words: Words | None = None) -> None:
        emoji, label, style = _LABELS[offer]
        said = shorten(words.say(label), _LABEL_LIMIT) if words else None
        super().__init__(ui.Button(custom_id=f"fw:{offer}", emoji=emoji, label=said, style=style))
        self.offer = offer

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(Offer(match["offer"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client."""
        await cast("WelcomePresses", interaction.client).welcome_pressed(interaction, self.offer)


def offers(words: Words) -> ui.View:
    """The buttons."""
    view = ui.View(timeout=None)
    for offer in Offer:
        view.add_item(WelcomeButton(offer, words))
    return view


def greeting_embed(
    words: Words, mentions: CommandMentions, guild_id: int, checks: Sequence[Check]
) -> discord.Embed:
    """The greeting with the list."""
    return checklist_embed(
        words.say("👋 Hello! I write fan fiction with you."),
        f"{_introduction(words, mentions, guild_id)}\n\n{summary(words, checks)}",
        checks,
    )


def greeting_text(words: Words, mentions: CommandMentions, guild_id: int, checks: Sequence[Check]) -> str:
    """The same for a channel in which the bot may show no embeds: what is well is left out."""
    hello = words.say("👋 Hello! I write fan fiction with you.")
    lines = [
        f"**{hello}**",
        _introduction(words, mentions, guild_id),
        summary(words, checks),
        *(f"**{check.heading}**: {check.value}" for check in checks if not check.good),
    ]
    return shorten("\n".join(lines), _MESSAGE_LIMIT)


def nowhere_text(words: Words, mentions: CommandMentions, guild: discord.Guild) -> str:
    """For a direct message, where the bot may write in no channel."""
    return shorten(
        words.say(
            "👋 Hello! I am in your server **{server}** now, but may write in none of its channels. Let my role see a "
            "channel and send messages there, then use {health} in it: it shows what else is missing.",
            server=discord.utils.escape_markdown(guild.name),
            health=mentions.told(words, "admin health", guild.id),
        ),
        _MESSAGE_LIMIT,
    )


def _introduction(words: Words, mentions: CommandMentions, guild_id: int) -> str:
    return words.say(
        "{start} opens a thread, and there we write, in any of forty languages. {help} shows all that I can do.",
        start=mentions.told(words, "story start", guild_id),
        help=mentions.told(words, "help", guild_id),
    )

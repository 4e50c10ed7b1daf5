"""The commands that are not about one story: `/queue`, `/languages` and `/help`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.database.tables import PauseMode
from bot.discord.colours import INFORMATION
from bot.discord.help_controls import help_controls
from bot.discord.help_pages import Reader, Topic, help_page, title, topics
from bot.discord.replies import whisper
from bot.text.length import shorten
from bot.words import Words, to_say, words_for
from model.languages import LANGUAGES

if TYPE_CHECKING:
    from bot.discord.client import Parts

_COLUMN = 14
_CHOICE_LIMIT = 100


class GeneralCog(commands.Cog):
    """Parses, asks, renders."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @app_commands.command(
        name=locale_str(to_say("queue")),
        description=locale_str(to_say("Where your requests stand, and for how long")),
    )
    @app_commands.guild_only()
    async def queue(self, interaction: discord.Interaction) -> None:
        """The member's own places in the queue."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        overview = await self._parts.dispatcher.overview(interaction.user.id, interaction.guild_id)
        lines = [
            words.plural("{n} answer is being written.", "{n} answers are being written.", overview.running),
            words.plural("{n} request is waiting.", "{n} requests are waiting.", overview.waiting),
        ]
        if overview.pause is PauseMode.PAUSE:
            lines.insert(
                0, "⏸️ " + words.say("I am paused here for now. What waits is kept, and written later.")
            )
        elif overview.pause is PauseMode.DRAIN:
            lines.insert(0, "⏸️ " + words.say("I take nothing more for now. What waits will be written."))
        for thread_id, place in overview.own:
            where = f"<#{thread_id}>" if thread_id else words.say("a new thread")
            line = words.say("{thread}: number {place}", thread=where, place=words.number(place.position))
            if place.seconds is not None:
                line += " · " + words.say("about {span}", span=words.span(place.seconds))
            lines.append(line)
        if not overview.own:
            lines.append(words.say("None of them is yours."))
        await whisper(interaction, "\n".join(lines))

    @app_commands.command(
        name=locale_str(to_say("languages")),
        description=locale_str(to_say("The forty languages that I write in")),
    )
    async def languages(self, interaction: discord.Interaction) -> None:
        """Each by its own name and by the reader's."""
        words = words_for(str(interaction.locale))
        named = [(language, words.language_name(language)) for language in LANGUAGES.values()]
        # What is written from right to left is kept from turning the line round.
        lines = [
            f"\u2068{language.own_name}\u2069 · {name}"
            if language.own_name.casefold() != name.casefold()
            else f"\u2068{language.own_name}\u2069"
            for language, name in named
        ]
        embed = discord.Embed(
            title=words.say("The languages of stories"),
            description=self._parts.mentions.linked(
                words,
                words.say(
                    "I answer in the language that you write in. To be sure of one, name it in **/story start**, or "
                    "set it later with **/story language**."
                ),
                interaction.guild_id,
            ),
            colour=INFORMATION,
        )
        for begin in range(0, len(lines), _COLUMN):
            embed.add_field(name="\u200b", value="\n".join(lines[begin : begin + _COLUMN]), inline=True)
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @app_commands.command(
        name=locale_str(to_say("help")), description=locale_str(to_say("How to write with me"))
    )
    @app_commands.rename(topic=locale_str(to_say("topic")))
    @app_commands.describe(topic=locale_str(to_say("What you would like to know; left out, how to begin")))
    async def show_help(self, interaction: discord.Interaction, topic: str | None = None) -> None:
        """A page of help in the member's language, with controls to turn to others."""
        there = await self._topics(interaction)
        words = words_for(str(interaction.locale))
        shown = _named(words, topic, there) if topic else there[0]
        await interaction.response.send_message(
            embed=help_page(self._reader(interaction), shown),
            view=help_controls(words, shown, there),
            ephemeral=True,
        )

    @show_help.autocomplete("topic")
    async def _suggest_topics(
        self, interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        words = words_for(str(interaction.locale))
        return [
            app_commands.Choice(name=shorten(title(words, topic), _CHOICE_LIMIT), value=topic.value)
            for topic in await self._topics(interaction)
            if current.casefold() in title(words, topic).casefold()
        ]

    async def turn_help(self, interaction: discord.Interaction, topic: str, step: int) -> None:
        """Show the page `step` pages after that of a topic; the first, where it is none for this member any more."""
        there = await self._topics(interaction)
        place = there.index(Topic(topic)) + step if topic in there else 0
        shown = there[min(max(place, 0), len(there) - 1)]
        await interaction.response.edit_message(
            embed=help_page(self._reader(interaction), shown),
            view=help_controls(words_for(str(interaction.locale)), shown, there),
        )

    async def _topics(self, interaction: discord.Interaction) -> list[Topic]:
        in_server = interaction.guild_id is not None
        return topics(
            admin=in_server and interaction.permissions.manage_guild,
            operator=in_server and await self._parts.admin_access.operates(interaction),
        )

    def _reader(self, interaction: discord.Interaction) -> Reader:
        me = interaction.client.user
        return Reader(
            words_for(str(interaction.locale)),
            self._parts.mentions,
            interaction.guild_id,
            me.mention if me is not None else "",
        )


def _named(words: Words, wanted: str, there: Sequence[Topic]) -> Topic:
    """The page that was chosen from the suggestions, or whose title was typed; else the first."""
    typed = wanted.strip().casefold()
    for topic in there:
        if typed == topic.value or typed in title(words, topic).casefold():
            return topic
    return there[0]

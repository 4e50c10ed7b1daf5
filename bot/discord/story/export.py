"""`/story export`: a story as a file that only the member who asked for it sees, and the forms for its details.

Who can use a command in a thread can read it, so whoever asks there may have the story; changing what is said about it
is for those who may steer it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.conversations.errors import NotAnAnswer
from bot.discord.export_forms import Pressed, Ticket, buttons, details_embed, form, read_interaction
from bot.discord.replies import NOBODY, NotAllowed, reply_error
from bot.export.files import Format
from bot.export.service import Export, Selection
from bot.text.length import shorten
from bot.text.safety import for_title
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

_CHOICES = 25
_MOST_FILES = 10
_CHOICE_LENGTH = 100


class ExportCommands(commands.Cog):
    """A part of `StoryCog`: exports."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("export")),
        description=locale_str(to_say("Get this story as a file, which only you see")),
    )
    @app_commands.rename(
        format_=locale_str(to_say("format")),
        talk=locale_str(to_say("talk")),
        until=locale_str(to_say("until")),
    )
    @app_commands.describe(
        format_=locale_str(to_say("What kind of file")),
        talk=locale_str(to_say("With what the members said around the story; otherwise only my answers")),
        until=locale_str(to_say("The answer that the export ends with; otherwise the last one")),
    )
    @app_commands.choices(
        format_=[
            app_commands.Choice(name=locale_str(to_say("Markdown text")), value=Format.MARKDOWN.value),
            app_commands.Choice(name=locale_str(to_say("HTML for AO3")), value=Format.AO3.value),
            app_commands.Choice(name=locale_str(to_say("EPUB e-book")), value=Format.EPUB.value),
            app_commands.Choice(name=locale_str(to_say("JSON for programs")), value=Format.JSON.value),
        ]
    )
    @app_commands.checks.cooldown(5, 60.0)
    async def export(
        self,
        interaction: discord.Interaction,
        format_: str = Format.MARKDOWN.value,
        talk: bool = False,
        until: str | None = None,
    ) -> None:
        """Hand the file over, seen by nobody else."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        if until is not None and not until.isdecimal():
            raise NotAnAnswer
        selection = Selection(interaction.channel_id or 0, int(until) if until else None, talk)
        await self._hand_over(interaction, selection, Format(format_))

    @export.autocomplete("until")
    async def _answers(
        self, interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        """The answers of this thread, the newest first."""
        places = await self._parts.conversations.answers(interaction.channel_id or 0, current, _CHOICES)
        return [
            app_commands.Choice(
                name=shorten(f"{place.number}. {for_title(place.beginning, _CHOICE_LENGTH)}", _CHOICE_LENGTH),
                value=str(place.answer_id),
            )
            for place in places
        ]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """A button under an export, or one of its forms."""
        if (pressed := read_interaction(interaction)) is None:
            return
        try:
            await self._change(interaction, pressed)
        except Exception as error:
            await reply_error(interaction, error)

    async def _change(self, interaction: discord.Interaction, pressed: Pressed) -> None:
        ticket = pressed.ticket
        thread_id = interaction.channel_id or 0
        selection = Selection(thread_id, ticket.answer_id, ticket.with_talk)
        moderator = interaction.permissions.manage_messages
        if not moderator and interaction.user.id not in await self._parts.conversations.writers_in(thread_id):
            raise NotAllowed
        if pressed.values is None:
            details = await self._parts.exports.details(selection)
            words = words_for(str(interaction.locale))
            await interaction.response.send_modal(form(pressed.kind, ticket, details, words))
            return
        await interaction.response.defer()
        await self._parts.exports.edit(selection, pressed.values, interaction.user.id)
        await self._hand_over(interaction, selection, ticket.format)

    async def _hand_over(
        self, interaction: discord.Interaction, selection: Selection, format_: Format
    ) -> None:
        """Make the files and put them into the reply to the interaction."""
        words = words_for(str(interaction.locale))

        async def asking() -> None:
            await interaction.edit_original_response(
                content=words.say("I am reading the story, to fill in its title, tags and summary …")
            )

        export = await self._parts.exports.make(selection, format_, asking)
        if too_large := _too_large(words, export, interaction.filesize_limit):
            await interaction.edit_original_response(content=too_large)
            return
        await interaction.edit_original_response(
            content=_said(words, export, format_),
            embed=details_embed(export.manuscript.details, words),
            attachments=[discord.File(io.BytesIO(file.content), file.name) for file in export.files],
            view=buttons(Ticket(format_, export.answer_id, selection.with_talk), words),
            allowed_mentions=NOBODY,
        )


def _too_large(words: Words, export: Export, limit: int) -> str | None:
    """What to say where Discord does not take the files; `limit` is for each, in bytes."""
    largest = max(len(file.content) for file in export.files)
    if largest <= limit and len(export.files) <= _MOST_FILES:
        return None
    return words.say(
        "The file has {size} MB, and Discord takes {limit} MB here. Please choose an earlier answer with «until», "
        "or leave the talk out.",
        size=words.number(round(largest / 2**20, 1)),
        limit=words.number(limit // 2**20),
    )


def _said(words: Words, export: Export, format_: Format) -> str:
    count = len(export.manuscript.chapters())
    said = words.plural(
        "Here is your story, with {n} answer of mine.", "Here is your story, with {n} answers of mine.", count
    )
    if format_ is Format.AO3:
        said += " " + words.say(
            "Paste the HTML file into the work text of AO3's form, with its HTML editor on; "
            "the text file has what belongs into the other fields."
        )
    return (
        said
        + "\n"
        + words.say("This is what it says about itself. What you change stays for the next export.")
    )

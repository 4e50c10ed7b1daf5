"""The commands that begin and steer a story: `/story`, `/queue`, `/help`, and the message command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.conversations.repository import Opening
from bot.discord.errors import translated
from bot.discord.opening import language_of, quoted, title_from
from bot.discord.replies import NOBODY, reply_error, whisper
from bot.words import to_say, words_for
from model.languages import LANGUAGES, find_language

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

MAX_PROMPT = 4000
_CHOICES = 25


class StoryCog(commands.Cog):
    """Parses, calls the conversation service, renders."""

    story = app_commands.Group(
        name=locale_str(to_say("story")),
        description=locale_str(to_say("Write fan fiction together")),
        guild_only=True,
    )

    def __init__(self, client: FanFabler, parts: Parts) -> None:
        self._client = client
        self._parts = parts
        self._write_about = app_commands.ContextMenu(
            name=locale_str(to_say("Write about this")), callback=self.write_about
        )
        self._write_about.guild_only = True

    async def cog_load(self) -> None:
        """Register the message command, which a cog cannot hold by itself."""
        self._client.tree.add_command(self._write_about)

    async def cog_unload(self) -> None:
        """And take it away again."""
        self._client.tree.remove_command(self._write_about.name, type=self._write_about.type)

    @story.command(
        name=locale_str(to_say("start")),
        description=locale_str(to_say("Begin a story: I open a thread and answer in your language")),
    )
    @app_commands.rename(
        prompt=locale_str(to_say("prompt")),
        language=locale_str(to_say("language")),
        visibility=locale_str(to_say("visibility")),
    )
    @app_commands.describe(
        prompt=locale_str(to_say("What would you like to read or write?")),
        language=locale_str(to_say("The language of the story; otherwise that of your prompt")),
        visibility=locale_str(to_say("Who sees the thread")),
    )
    @app_commands.choices(
        visibility=[
            app_commands.Choice(name=locale_str(to_say("everyone")), value="public"),
            app_commands.Choice(name=locale_str(to_say("only me and those I invite")), value="private"),
        ]
    )
    @app_commands.checks.bot_has_permissions(send_messages_in_threads=True)
    async def start(
        self,
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, MAX_PROMPT],
        language: str | None = None,
        visibility: str = "public",
    ) -> None:
        """Open a thread and queue the first answer."""
        private = visibility == "private"
        await interaction.response.defer(ephemeral=private)
        opening = self._opening(interaction, prompt, language, private=private)
        if isinstance(interaction.channel, discord.Thread):
            await self._start_here(interaction, opening, interaction.channel)
            return
        queued = await self._parts.conversations.begin(opening)
        words = words_for(str(interaction.locale))
        try:
            with translated():
                if not private:
                    message = await interaction.edit_original_response(
                        content=quoted(prompt, interaction.user.display_name, words), allowed_mentions=NOBODY
                    )
                    await self._parts.conversations.set_starter(queued.conversation_id, message.id)
                thread_id = await self._parts.stage.open_thread(queued.conversation_id)
                if private:
                    link = f"<#{thread_id}>"
                    await interaction.edit_original_response(
                        content=words.say("Your thread is open: {thread}", thread=link)
                    )
        except Exception as error:
            await self._parts.conversations.abandon(queued, str(error))
            raise
        await self._parts.conversations.ready(queued)

    async def _start_here(
        self, interaction: discord.Interaction, opening: Opening, thread: discord.Thread
    ) -> None:
        """`/story start` in a thread: the story is written there."""
        words = words_for(str(interaction.locale))
        if await self._parts.conversations.holds(thread.id):
            await interaction.edit_original_response(
                content=words.say("A story is being written here already. Just write on; I read along.")
            )
            return
        await interaction.edit_original_response(
            content=quoted(opening.text, opening.opener_name, words), allowed_mentions=NOBODY
        )
        await self._parts.conversations.begin(opening, thread_id=thread.id)

    @start.autocomplete("language")
    async def _languages(
        self, interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        """The forty languages, by own name, English name or code."""
        typed = current.strip().casefold()
        found = [
            language
            for language in LANGUAGES.values()
            if typed in language.own_name.casefold()
            or typed in language.english_name.casefold()
            or typed == language.code
        ]
        return [
            app_commands.Choice(
                name=language.own_name
                if language.own_name == language.english_name
                else f"{language.own_name} · {language.english_name}",
                value=language.code,
            )
            for language in found[:_CHOICES]
        ]

    def _opening(
        self, interaction: discord.Interaction, prompt: str, language: str | None, *, private: bool
    ) -> Opening:
        chosen = find_language(language) if language else None
        locale = str(interaction.locale)
        return Opening(
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id or 0,
            opener_id=interaction.user.id,
            opener_name=interaction.user.display_name,
            locale=locale,
            title=title_from(prompt),
            language=chosen.code if chosen else language_of(prompt, locale),
            language_fixed=chosen is not None,
            private=private,
            text=prompt,
        )

    async def write_about(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """The message command: begin a story from somebody's message."""
        words = words_for(str(interaction.locale))
        if not message.content.strip():
            await whisper(
                interaction, words.say("There is no text in this message that I could write about.")
            )
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            thread_id = await self._parts.starter.from_message(
                message, message.content, interaction.user, str(interaction.locale)
            )
        except Exception as error:
            await reply_error(interaction, error)
            return
        link = f"<#{thread_id}>"
        await whisper(interaction, words.say("Your thread is open: {thread}", thread=link))

    @app_commands.command(
        name=locale_str(to_say("queue")),
        description=locale_str(to_say("Where your requests stand, and for how long")),
    )
    @app_commands.guild_only()
    async def queue(self, interaction: discord.Interaction) -> None:
        """The member's own places in the queue."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        overview = await self._parts.dispatcher.overview(interaction.user.id)
        lines = [
            words.plural("{n} answer is being written.", "{n} answers are being written.", overview.running),
            words.plural("{n} request is waiting.", "{n} requests are waiting.", overview.waiting),
        ]
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
        name=locale_str(to_say("help")), description=locale_str(to_say("How to write with me"))
    )
    async def help(self, interaction: discord.Interaction) -> None:
        """A page of help in the member's language."""
        words = words_for(str(interaction.locale))
        embed = discord.Embed(
            title=words.say("Write fan fiction with me"),
            description=words.say(
                "**/story start** opens a thread for your story. There you just write, in any of forty languages, "
                "and I answer in yours. You can also mention me, or choose **Apps › Write about this** on a message."
            ),
            colour=discord.Colour(0x7C4DFF),
        )
        embed.add_field(
            name=words.say("Under an answer"),
            value=words.say(
                "⏹️ stops me · 🔄 writes it anew and keeps the older one (◀️ ▶️) · ✍️ goes on · "
                "👍 👎 tell me what you think"
            ),
            inline=False,
        )
        embed.add_field(
            name=words.say("What I look up"),
            value=words.say(
                "Where facts about a work would help, I look it up in your language's Wikipedia, show the page and "
                "keep to it from then on."
            ),
            inline=False,
        )
        await interaction.response.send_message(embed=embed, ephemeral=True)

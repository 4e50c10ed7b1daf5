"""`/story start`, and the message command that begins a story too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.conversations.base import Queued
from bot.conversations.repository import Opening
from bot.database.tables import Rating
from bot.discord.entering import enter, place_for
from bot.discord.errors import translated
from bot.discord.opening import language_of, quoted, title_from
from bot.discord.places import age_restricted, place_ids, role_ids
from bot.discord.reading import Reading
from bot.discord.replies import NOBODY, deferred, reply_error, whisper
from bot.discord.story.languages import language_choices, named_language
from bot.discord.story.rating import RATING_CHOICES
from bot.text.safety import for_title
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

MAX_PROMPT = 4000


@dataclass(frozen=True)
class Asked:
    """What a member asked for; `here` is the thread that the story is to be written in, where it is there already."""

    prompt: str
    language: str | None
    rating: Rating
    private: bool
    here: discord.Thread | None
    file: discord.Attachment | None

    @classmethod
    def plainly(cls, prompt: str) -> Asked:
        """A prompt without any wishes, for a new thread that all see."""
        return cls(prompt, None, Rating.TEEN, False, None, None)

    def quoted(self, interaction: discord.Interaction, words: Words) -> str:
        """The message that the story begins with, for all to see."""
        text = quoted(self.prompt, interaction.user.display_name, words)
        return f"{text}\n📎 {for_title(self.file.filename)}" if self.file else text


class StartCommands(commands.Cog):
    """A part of `StoryCog`: how a story begins."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("start")),
        description=locale_str(to_say("Begin a story: I open a thread and answer in your language")),
    )
    @app_commands.rename(
        prompt=locale_str(to_say("prompt")),
        language=locale_str(to_say("language")),
        visibility=locale_str(to_say("visibility")),
        rating=locale_str(to_say("rating")),
        file=locale_str(to_say("file")),
    )
    @app_commands.describe(
        prompt=locale_str(to_say("What would you like to read or write?")),
        language=locale_str(to_say("The language of the story; otherwise that of your prompt")),
        visibility=locale_str(to_say("Who sees the thread")),
        rating=locale_str(to_say("What the story may contain; otherwise what suits teenagers")),
        file=locale_str(to_say("A text file that belongs to it: an outline, a chapter")),
    )
    @app_commands.choices(
        visibility=[
            app_commands.Choice(name=locale_str(to_say("everyone")), value="public"),
            app_commands.Choice(name=locale_str(to_say("only me and those I invite")), value="private"),
        ],
        rating=RATING_CHOICES,
    )
    @app_commands.checks.bot_has_permissions(send_messages_in_threads=True)
    async def start(
        self,
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, MAX_PROMPT],
        language: str | None = None,
        visibility: str = "public",
        rating: str = Rating.TEEN.value,
        file: discord.Attachment | None = None,
    ) -> None:
        """Open a thread and queue the first answer; in a thread, answer there, unless a private one is wanted."""
        private = visibility == "private"
        channel = interaction.channel
        here = channel if isinstance(channel, discord.Thread) and not private else None
        await self.answer(interaction, Asked(prompt, language, Rating(rating), private, here, file))

    async def answer(self, interaction: discord.Interaction, asked: Asked) -> None:
        """Begin what was asked for, as the answer to an interaction."""
        queued, reading = await deferred(
            interaction, self._begin(interaction, asked), ephemeral=asked.private
        )
        if asked.here is not None:
            await self._announce_here(interaction, asked, queued)
        else:
            await self._open(interaction, asked, queued)
        if reading.left_out:
            words = words_for(str(interaction.locale))
            await whisper(interaction, self._parts.reader.apology(words, reading))

    async def _begin(self, interaction: discord.Interaction, asked: Asked) -> tuple[Queued, Reading]:
        """What may be refused, and is then seen by the member alone."""
        if asked.here is not None:
            await enter(asked.here)
        files = [asked.file] if asked.file else []
        reading = await self._parts.reader.read_with(asked.prompt, files)
        opening = self._opening(interaction, asked, reading.text)
        thread_id = asked.here.id if asked.here else None
        return await self._parts.conversations.begin(opening, thread_id, announced=False), reading

    async def _open(self, interaction: discord.Interaction, asked: Asked, queued: Queued) -> None:
        """Open a thread on the answer to the command, or a private one."""
        words = words_for(str(interaction.locale))
        try:
            with translated():
                if not asked.private:
                    message = await interaction.edit_original_response(
                        content=asked.quoted(interaction, words), allowed_mentions=NOBODY
                    )
                    await self._parts.conversations.set_starter(queued.conversation_id, message.id)
                thread_id = await self._parts.stage.open_thread(queued.conversation_id)
                if asked.private:
                    link = f"<#{thread_id}>"
                    await interaction.edit_original_response(
                        content=words.say("Your thread is open: {thread}", thread=link)
                    )
        except Exception as error:
            await self._parts.conversations.abandon(queued, str(error))
            raise
        await self._parts.conversations.ready(queued)

    async def _announce_here(self, interaction: discord.Interaction, asked: Asked, queued: Queued) -> None:
        """Say in the thread that a story begins, before it is answered."""
        words = words_for(str(interaction.locale))
        try:
            await interaction.edit_original_response(
                content=asked.quoted(interaction, words), allowed_mentions=NOBODY
            )
        finally:
            await self._parts.conversations.ready(queued)

    @start.autocomplete("language")
    async def _languages(
        self, interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        return language_choices(current, words_for(str(interaction.locale)))

    def _opening(self, interaction: discord.Interaction, asked: Asked, text: str) -> Opening:
        locale = str(interaction.locale)
        chosen = named_language(asked.language, words_for(locale)) if asked.language else None
        place = asked.here.id if asked.here else place_for(interaction.channel, private=asked.private)
        return Opening(
            guild_id=interaction.guild_id,
            channel_id=place,
            opener_id=interaction.user.id,
            opener_name=interaction.user.display_name,
            locale=locale,
            title=asked.here.name if asked.here else title_from(asked.prompt),
            titled=asked.here is not None,
            language=chosen.code if chosen else language_of(asked.prompt, locale),
            language_fixed=chosen is not None,
            private=asked.private,
            text=text,
            role_ids=role_ids(interaction.user),
            rating=asked.rating,
            place_ids=place_ids(interaction.channel),
            age_restricted=age_restricted(interaction.channel),
        )

    async def write_about(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """The message command: begin a story from somebody's message."""
        words = words_for(str(interaction.locale))
        await interaction.response.defer(ephemeral=True, thinking=True)
        reading = await self._parts.reader.read(message, interaction.client.user)
        if not reading.text:
            await whisper(
                interaction,
                words.say(
                    "There is no text in this message that I could write about. Choose one with text, "
                    "or use **/story start**."
                ),
            )
            return
        try:
            thread_id = await self._parts.starter.from_message(
                message, reading.text, interaction.user, str(interaction.locale)
            )
        except Exception as error:
            await reply_error(interaction, error)
            return
        link = f"<#{thread_id}>"
        await whisper(interaction, words.say("Your thread is open: {thread}", thread=link))

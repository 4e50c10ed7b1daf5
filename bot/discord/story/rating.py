"""`/story rating`: what a story may contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.database.tables import Rating
from bot.discord.places import age_restricted
from bot.discord.replies import NotAllowed, whisper
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

RATING_CHOICES = [
    app_commands.Choice(name=locale_str(to_say("general: for everybody")), value=Rating.GENERAL.value),
    app_commands.Choice(name=locale_str(to_say("teen: for teenagers")), value=Rating.TEEN.value),
    app_commands.Choice(name=locale_str(to_say("mature: for adults")), value=Rating.MATURE.value),
]


class RatingCommands(commands.Cog):
    """A part of `StoryCog`: the rating."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("rating")),
        description=locale_str(to_say("See or set what this story may contain")),
    )
    @app_commands.rename(rating=locale_str(to_say("rating")))
    @app_commands.describe(rating=locale_str(to_say("What the story may contain from the next answer on")))
    @app_commands.choices(rating=RATING_CHOICES)
    async def rating(self, interaction: discord.Interaction, rating: str | None = None) -> None:
        """Say how the thread's story is rated, or rate it."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        thread_id = interaction.channel_id or 0
        current = await self._parts.ratings.of_thread(thread_id)
        if current is None:
            await whisper(
                interaction, words.say("There is no story in this channel. Use this in a story's thread.")
            )
            return
        if rating is None:
            await whisper(
                interaction, words.say("This story is rated {rating}.", rating=rating_name(words, current))
            )
            return
        moderator = interaction.permissions.manage_messages
        if not moderator and interaction.user.id not in await self._parts.conversations.writers_in(thread_id):
            raise NotAllowed
        chosen = Rating(rating)
        restricted = age_restricted(interaction.channel)
        if not await self._parts.ratings.change(thread_id, chosen, age_restricted=restricted):
            await whisper(interaction, words.say("This story has ended."))
            return
        text = words.say(
            "From the next answer on, this story is rated {rating}.", rating=rating_name(words, chosen)
        )
        await whisper(interaction, text)


def rating_name(words: Words, rating: Rating) -> str:
    """A rating in the member's language."""
    return {
        Rating.GENERAL: words.say("general: for everybody"),
        Rating.TEEN: words.say("teen: for teenagers"),
        Rating.MATURE: words.say("mature: for adults"),
    }[rating]

"""The bot's errors in words for people: one place, through the message catalogue."""

from __future__ import annotations

import logging

import discord
from discord import app_commands

from bot.conversations.service import AlreadyAStory, NotTheLastAnswer, StillWriting
from bot.errors import QueueFull, StageError, ThreadGone, TooManyWaiting
from bot.words import Words, words_for

log = logging.getLogger(__name__)

NOBODY = discord.AllowedMentions.none()


class NotAllowed(app_commands.CheckFailure):
    """This is somebody else's story."""


def explain(words: Words, error: BaseException) -> str:  # noqa: PLR0911 -- one return a kind of error
    """What went wrong and what to do, for the member who asked."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    if isinstance(error, QueueFull):
        return words.say(
            "So many stories are waiting that I cannot take another just now. Please try in a minute."
        )
    if isinstance(error, TooManyWaiting):
        return words.say("You have several requests waiting already. Let me finish those first, or stop one.")
    if isinstance(error, AlreadyAStory):
        return words.say("There is a story here already. Just write in its thread; I read along.")
    if isinstance(error, NotTheLastAnswer):
        return words.say("The story has gone on since. This works on the last answer only.")
    if isinstance(error, StillWriting):
        return words.say("I am still writing. Stop me first, or wait a moment.")
    if isinstance(error, NotAllowed):
        return words.say("Only those who write in this story, and moderators, can do that.")
    if isinstance(error, (ThreadGone, app_commands.BotMissingPermissions)):
        return words.say(
            "I cannot open or use a thread here. I need the permissions View Channel, Send Messages, "
            "Create Public Threads, Create Private Threads, Send Messages in Threads, Embed Links and "
            "Read Message History."
        )
    if isinstance(error, StageError):
        return words.say("Discord did not let me through just now. Please try again.")
    if isinstance(error, app_commands.CommandOnCooldown):
        return words.say("Please try again in {span}.", span=words.span(error.retry_after))
    return words.say("Something went wrong. It has been noted; please try again.")


async def reply_error(interaction: discord.Interaction, error: BaseException) -> None:
    """Tell the member, seen by nobody else; log what is not their doing."""
    known = isinstance(
        getattr(error, "original", error),
        (
            QueueFull,
            TooManyWaiting,
            AlreadyAStory,
            NotTheLastAnswer,
            StillWriting,
            NotAllowed,
            app_commands.CheckFailure,
        ),
    )
    if not known:
        log.error("an interaction failed", exc_info=error)
    await whisper(interaction, explain(words_for(str(interaction.locale)), error))


async def whisper(interaction: discord.Interaction, text: str) -> None:
    """A reply that only the member sees, whether or not the interaction was answered before."""
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True, allowed_mentions=NOBODY)
        else:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY)
    except discord.HTTPException as error:
        log.info("could not answer an interaction: %s", error)

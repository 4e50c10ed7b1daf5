"""The bot's errors in words for people: one place, through the message catalogue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, TypeVar, cast

import discord
from discord import app_commands

from bot.discord.impediments import IMPEDIMENTS, explain_impediment
from bot.discord.operation_problems import OPERATION_PROBLEMS, explain_operation
from bot.discord.refusals import REFUSALS, explain_refusal
from bot.errors import QueueDraining, QueueFull, StageError, ThreadGone, TooManyWaiting
from bot.text.length import shorten, utf16_units
from bot.words import Words, words_for

if TYPE_CHECKING:
    from bot.discord.client import FanFabler
    from bot.discord.command_mentions import CommandMentions

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds: Discord waits for three.
_BEFORE_DEFERRING = 0.7
_MESSAGE_LIMIT = 2000
NOBODY = discord.AllowedMentions.none()


class NotAllowed(app_commands.CheckFailure):
    """This is somebody else's story."""


class NotAnAdmin(app_commands.CheckFailure):
    """Only those who manage the server may do this."""


class NotAnOperator(app_commands.CheckFailure):
    """Only those who run the bot may do this, and only in a server of theirs."""


def explain(words: Words, error: BaseException) -> str:  # noqa: PLR0911 -- one return a kind of error
    """What went wrong and what to do, for the member who asked."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    for explained in (explain_refusal, explain_impediment, explain_operation):
        if (said := explained(words, error)) is not None:
            return said
    if isinstance(error, QueueDraining):
        return words.say(
            "I am about to be paused, and take nothing more for now. What waits will be written. Please try again "
            "in a while."
        )
    if isinstance(error, QueueFull):
        return words.say(
            "So many stories are waiting that I cannot take another just now. Please try in a minute."
        )
    if isinstance(error, TooManyWaiting):
        return words.say(
            "You have several requests waiting already. Let me finish those first, or stop one with **/story stop**."
        )
    if isinstance(error, NotAllowed):
        return words.say(
            "Only those who write in this story, and moderators, can do that. "
            "Begin one of your own with **/story start**."
        )
    if isinstance(error, NotAnOperator):
        return words.say(
            "Only those who run me can do that, and only in a server that they name in OPERATOR_GUILD_IDS."
        )
    if isinstance(error, NotAnAdmin):
        return words.say(
            "Only those who manage this server can do that. They can let you do it under "
            "**Server Settings › Integrations**."
        )
    if isinstance(error, (ThreadGone, app_commands.BotMissingPermissions)):
        return words.say(
            "I cannot open or use a thread here. Ask those who manage this server to give me what I need in this "
            "channel; **/admin health** shows them what is missing. Or try another channel."
        )
    if isinstance(error, StageError):
        return words.say("Discord did not let me through just now. Please try again.")
    if isinstance(error, app_commands.CommandOnCooldown):
        return words.say("Please try again in {span}.", span=words.span(error.retry_after))
    return words.say(
        "Something went wrong, and I have noted it. Please try again; if it happens again, tell those who run me."
    )


async def reply_error(interaction: discord.Interaction, error: BaseException) -> None:
    """Tell the member, seen by nobody else; log what is not their doing."""
    known = isinstance(
        getattr(error, "original", error),
        (
            QueueFull,
            TooManyWaiting,
            NotAllowed,
            app_commands.CheckFailure,
            *REFUSALS,
            *IMPEDIMENTS,
            *OPERATION_PROBLEMS,
        ),
    )
    if not known:
        log.error("an interaction failed", exc_info=error)
    await whisper(interaction, explain(words_for(str(interaction.locale)), error))


async def deferred(interaction: discord.Interaction, work: Coroutine[None, None, T], *, ephemeral: bool) -> T:
    """Do what may be refused, then defer the interaction: a refusal is seen by the member alone even where the answer
    would be seen by all, since an answer that was deferred publicly stays public. Work that takes long is deferred
    all the same, for Discord waits three seconds."""
    doing = asyncio.create_task(work)
    try:
        await asyncio.wait({doing}, timeout=_BEFORE_DEFERRING)
        if not doing.done() or doing.exception() is None:
            await interaction.response.defer(ephemeral=ephemeral, thinking=True)
    finally:
        await asyncio.wait({doing})
    return doing.result()


async def whisper(interaction: discord.Interaction, text: str) -> None:
    """A reply that only the member sees, whether or not the interaction was answered before. The commands that it
    names can be clicked on."""
    mentions: CommandMentions = cast("FanFabler", interaction.client).parts.mentions
    linked = mentions.linked(words_for(str(interaction.locale)), text, interaction.guild_id)
    text = linked if utf16_units(linked) <= _MESSAGE_LIMIT else shorten(text, _MESSAGE_LIMIT)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True, allowed_mentions=NOBODY)
        else:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY)
    except discord.HTTPException as error:
        log.info("could not answer an interaction: %s", error)

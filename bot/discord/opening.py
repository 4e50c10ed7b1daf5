"""What a story begins with: its language, its title, and the message that its thread hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.answers.language_check import language_of_opening
from bot.conversations.repository import Opening
from bot.discord.entering import enter
from bot.discord.errors import translated
from bot.discord.places import age_restricted, place_ids, role_ids
from bot.text.safety import for_message, for_title
from bot.words import Words
from model.languages import language_for_locale

if TYPE_CHECKING:
    from bot.conversations.service import ConversationService
    from bot.discord.stage import DiscordStage

_TITLE_LIMIT = 80
_QUOTE_LIMIT = 1500


def language_of(text: str, locale: str | None) -> str:
    """The code of the language that a text is in, with the member's locale as the guess where it does not show."""
    prior = language_for_locale(locale) if locale else None
    code = prior.code if prior else None
    return language_of_opening(text, code)


def title_from(prompt: str) -> str:
    """A thread's first title: how the prompt begins."""
    return for_title(prompt, _TITLE_LIMIT)


def quoted(prompt: str, name: str, words: Words) -> str:
    """The message that a new thread hangs on: who asks, and for what."""
    shown = prompt if len(prompt) <= _QUOTE_LIMIT else prompt[:_QUOTE_LIMIT].rstrip() + " …"
    lines = "\n".join(f"> {line}" if line else ">" for line in for_message(shown).split("\n"))
    return words.say("**{name}** begins a story:", name=for_title(name, 80)) + f"\n{lines}"


class StoryStarter:
    """Begins stories from messages: a mention of the bot, or the message command."""

    def __init__(self, conversations: ConversationService, stage: DiscordStage) -> None:
        self._conversations = conversations
        self._stage = stage

    async def from_message(
        self, message: discord.Message, text: str, member: discord.abc.User, locale: str | None
    ) -> int:
        """Open a thread on the message and queue the first answer; in a thread, answer there. Returns its id.

        Raises:
            QueueFull, TooManyWaiting, QuotaReached, ChannelClosed, StageError: nothing is left in the queue.
        """
        here = message.channel if isinstance(message.channel, discord.Thread) else None
        if here is not None:
            await enter(here)
        # What another member wrote stays theirs; a program's words are those of the member who chose them.
        others = member.id != message.author.id
        theirs = others and not message.author.bot
        opening = Opening(
            guild_id=message.guild.id if message.guild else None,
            channel_id=message.channel.id,
            opener_id=member.id,
            opener_name=member.display_name,
            locale=locale,
            title=here.name if here else title_from(text),
            titled=here is not None,
            language=language_of(text, locale),
            language_fixed=False,
            private=False,
            text=text,
            source_message_id=message.id if theirs or not others else None,
            role_ids=role_ids(member),
            place_ids=place_ids(message.channel),
            age_restricted=age_restricted(message.channel),
            author_id=message.author.id if theirs else None,
            author_name=message.author.display_name if theirs else None,
        )
        if here is not None:
            await self._conversations.begin(opening, thread_id=here.id)
            return here.id
        queued = await self._conversations.begin(opening)
        try:
            with translated():
                await self._conversations.set_starter(queued.conversation_id, message.id)
                thread_id = await self._stage.open_thread(queued.conversation_id)
        except Exception as error:
            await self._conversations.abandon(queued, str(error))
            raise
        await self._conversations.ready(queued)
        return thread_id

"""Listens to the threads: answers what members write there, begins stories where the bot is mentioned, reads up after
an absence, and notices threads and servers that are gone."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.conversations.service import Said
from bot.discord.replies import NOBODY, explain
from bot.errors import BotError, QueueFull, TooManyWaiting
from bot.words import words_for

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

log = logging.getLogger(__name__)

_CATCH_UP = 500
_ORDINARY = (discord.MessageType.default, discord.MessageType.reply)


class ThreadListener(commands.Cog):
    """Turns gateway events into requests."""

    def __init__(self, client: FanFabler, parts: Parts) -> None:
        self._client = client
        self._parts = parts
        self._catching_up = asyncio.Lock()

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """A message anywhere that the bot can read."""
        if message.author.bot or message.guild is None or message.type not in _ORDINARY:
            return
        try:
            if isinstance(message.channel, discord.Thread) and await self._said(message):
                return
            if self._client.user in message.mentions:
                await self._mentioned(message)
        except BotError as error:
            if not isinstance(error, (QueueFull, TooManyWaiting)):
                log.warning("could not take message %s: %s", message.id, error)
            await self._refuse(message, error)
            await self._parts.conversations.note_seen(message.channel.id, message.id)

    async def _said(self, message: discord.Message) -> bool:
        """A message in a thread of ours. Returns whether it is ours, answered or not."""
        if not await self._parts.conversations.holds(message.channel.id):
            return False
        if message.content.strip():
            await self._parts.conversations.say(
                Said(
                    thread_id=message.channel.id,
                    message_id=message.id,
                    author_id=message.author.id,
                    author_name=message.author.display_name,
                    text=message.content,
                )
            )
        return True

    async def _mentioned(self, message: discord.Message) -> None:
        """Somebody called the bot in a channel: that begins a story."""
        me = self._client.user
        text = re.sub(rf"<@!?{me.id if me else 0}>", "", message.content).strip()
        if not text:
            words = words_for(self._locale(message))
            await message.reply(
                words.say(
                    "Tell me what you would like to read, in the same message, or use **/story start**."
                ),
                allowed_mentions=NOBODY,
            )
            return
        await self._parts.starter.from_message(message, text, message.author, self._locale(message))

    async def _refuse(self, message: discord.Message, error: BotError) -> None:
        try:
            await message.reply(explain(words_for(self._locale(message)), error), allowed_mentions=NOBODY)
        except discord.HTTPException as failure:
            log.info("could not answer message %s: %s", message.id, failure)

    @staticmethod
    def _locale(message: discord.Message) -> str | None:
        """A message carries no locale, so the server's stands in."""
        return message.guild.preferred_locale.value if message.guild else None

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Connected, perhaps again: read what was written meanwhile."""
        await self._catch_up()

    @commands.Cog.listener()
    async def on_resumed(self) -> None:
        """Discord replays what was missed; reading up finds nothing new then, and everything if it does not."""
        await self._catch_up()

    async def _catch_up(self) -> None:
        async with self._catching_up:
            for thread_id, last_seen in await self._parts.conversations.last_seen():
                thread = self._client.get_channel(thread_id)
                if not isinstance(thread, discord.Thread) or (thread.last_message_id or 0) <= last_seen:
                    continue
                try:
                    after = discord.Object(last_seen)
                    async for message in thread.history(limit=_CATCH_UP, after=after, oldest_first=True):
                        await self.on_message(message)
                except discord.HTTPException as error:
                    log.info("could not read up on thread %s: %s", thread_id, error)
                except Exception:  # the other threads are still to be read
                    log.exception("could not read up on thread %s", thread_id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """A thread was deleted."""
        await self._parts.conversations.lose_thread(payload.thread_id)

    @commands.Cog.listener()
    async def on_thread_remove(self, thread: discord.Thread) -> None:
        """The bot was taken out of a thread: a private one it can no longer see."""
        if thread.is_private():
            await self._parts.conversations.lose_thread(thread.id)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was removed from a server."""
        await self._parts.conversations.lose_guild(guild.id)

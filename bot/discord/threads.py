"""Listens to the threads: answers what members write there, begins stories where the bot is mentioned, reads up after
an absence, and notices threads and servers that are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import discord
from discord.ext import commands

from bot import request_ids
from bot.conversations.base import Queued
from bot.conversations.tree import Branched
from bot.conversations.turns import Said
from bot.database.patience import EVENT_PATIENCE, persist, persisting
from bot.discord.absence import AbsenceReview
from bot.discord.notices import branch_notice, remark, show_branch
from bot.discord.places import roles_of_author
from bot.discord.reading import Reading
from bot.discord.refusals import REFUSALS
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

    def __init__(self, client: FanFabler, parts: Parts, absence: AbsenceReview) -> None:
        self._client = client
        self._parts = parts
        self._absence = absence
        self._catching_up = asyncio.Lock()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._coming = 0

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """A message anywhere that the bot can read."""
        if message.author.bot or message.guild is None or message.type not in _ORDINARY:
            return
        request_ids.begin(f"message-{message.id}")
        try:
            # A thread that the gateway has not told of yet comes as a bare messageable.
            maybe_ours = isinstance(message.channel, (discord.Thread, discord.PartialMessageable))
            if maybe_ours and await self._said_in_turn(message):
                return
            if self._client.user in message.mentions:
                await persist(partial(self._mentioned, message), EVENT_PATIENCE)
        except BotError as error:
            if not isinstance(error, (QueueFull, TooManyWaiting, *REFUSALS)):
                log.warning("could not take message %s: %s", message.id, error)
            await self._refuse(message, error)
            await self._parts.conversations.note_seen(message.channel.id, message.id)

    async def _said_in_turn(self, message: discord.Message) -> bool:
        """`_said`, after what was said there before, and again where the database fails: a later message that is known
        would keep an earlier one from being read up on."""
        turn = self._turns.setdefault(message.channel.id, asyncio.Lock())
        async with turn:
            return await persist(partial(self._said, message), EVENT_PATIENCE)

    async def _said(self, message: discord.Message) -> bool:
        """A message in a thread of ours. Returns whether it is ours, answered or not."""
        if not await self._parts.conversations.hears(message.channel.id):
            return False
        with self._in_line() as coming:
            if message.content:
                await self._parts.conversations.expect_room(message.channel.id, message.id, coming=coming)
            await self._absence.before(message)
            reading = await self._parts.reader.read(message, self._client.user)
            queued = await self._say(message, reading) if reading.text else None
        if reading.text and queued is None:
            return True
        if queued is not None and queued.branched is not None:
            await self._branched(message, queued.branched)
        await self._apologise(message, reading)
        return True

    async def _say(self, message: discord.Message, reading: Reading) -> Queued | None:
        replied = message.reference if message.type is discord.MessageType.reply else None
        return await self._parts.conversations.say(
            Said(
                thread_id=message.channel.id,
                message_id=message.id,
                author_id=message.author.id,
                author_name=message.author.display_name,
                text=reading.text,
                role_ids=await roles_of_author(message),
                replies_to=replied.message_id if replied is not None else None,
            )
        )

    @contextmanager
    def _in_line(self) -> Iterator[int]:
        """How many messages came before and are not in the queue yet, beyond what the free slots would take: whom they
        leave no room is told at once, also while hundreds have their threads looked over or wait to be written down."""
        free = max(0, self._parts.dispatcher.slots - self._parts.dispatcher.running)
        beyond = max(0, self._coming - free)
        self._coming += 1
        try:
            yield beyond
        finally:
            self._coming -= 1

    async def _branched(self, message: discord.Message, branched: Branched) -> None:
        """A reply to an older answer has moved the story there: say so, and show that branch."""
        words = words_for(await self._locale_of(message))
        await remark(self._client, message.channel.id, branch_notice(words, branched))
        await show_branch(self._client, self._parts, branched)

    async def _mentioned(self, message: discord.Message) -> None:
        """Somebody called the bot in a channel: that begins a story."""
        reading = await self._parts.reader.read(message, self._client.user)
        if reading.text:
            await self._parts.starter.from_message(
                message, reading.text, message.author, self._locale(message)
            )
        else:
            words = words_for(self._locale(message))
            await message.reply(
                words.say(
                    "Tell me what you would like to read, in the same message, or use **/story start**."
                ),
                allowed_mentions=NOBODY,
            )
        await self._apologise(message, reading)

    async def _apologise(self, message: discord.Message, reading: Reading) -> None:
        """Say which files were not read."""
        if not reading.left_out:
            return
        words = words_for(await self._locale_of(message))
        try:
            await message.reply(self._parts.reader.apology(words, reading), allowed_mentions=NOBODY)
        except discord.HTTPException as failure:
            log.info("could not answer message %s: %s", message.id, failure)

    async def _locale_of(self, message: discord.Message) -> str | None:
        """What to speak to a message's author in: their own language where it is known, the story's, the server's."""
        known = await self._parts.conversations.locale_in(message.channel.id, message.author.id)
        return known or self._locale(message)

    async def _refuse(self, message: discord.Message, error: BotError) -> None:
        try:
            words = words_for(await self._locale_of(message))
            async with self._parts.pace.beside(str(message.channel.id), waited_for=True):
                await message.reply(explain(words, error), allowed_mentions=NOBODY)
        except discord.HTTPException as failure:
            log.info("could not answer message %s: %s", message.id, failure)

    @staticmethod
    def _locale(message: discord.Message) -> str | None:
        """A message carries no locale, so the server's stands in."""
        return message.guild.preferred_locale.value if message.guild else None

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Connected, perhaps again: read what was written meanwhile."""
        self._absence.connected()
        await self._catch_up()

    @commands.Cog.listener()
    async def on_resumed(self) -> None:
        """Discord replays what was missed; reading up finds nothing new then, and everything if it does not."""
        await self._catch_up()

    async def _catch_up(self) -> None:
        async with self._catching_up:
            for thread_id, last_seen in await self._parts.conversations.last_seen():
                thread = self._client.get_channel(thread_id)
                if isinstance(thread, discord.Thread) and (thread.last_message_id or 0) > last_seen:
                    await self._read_up(thread, last_seen)

    async def _read_up(self, thread: discord.Thread, last_seen: int) -> None:
        """The last message is mostly our own answer. That it is there does not say that we heard what members wrote
        before it, so the thread is read; that it was is noted, for the next connection."""
        newest = thread.last_message_id or 0
        try:
            after = discord.Object(last_seen)
            async with self._parts.pace.beside(str(thread.id)):
                history = thread.history(limit=_CATCH_UP, after=after, oldest_first=True)
                missed = [message async for message in history]
            for message in missed:
                await self.on_message(message)
            # Without the right to read the history there is none, and nothing has been read.
            if 0 < len(missed) < _CATCH_UP:
                await self._parts.conversations.note_seen(thread.id, newest)
        except discord.HTTPException as error:
            log.info("could not read up on thread %s: %s", thread.id, error)
        except Exception:  # the other threads are still to be read
            log.exception("could not read up on thread %s", thread.id)

    @commands.Cog.listener()
    @persisting(EVENT_PATIENCE)
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """A thread was deleted."""
        await self._parts.conversations.lose_thread(payload.thread_id)

    @commands.Cog.listener()
    @persisting(EVENT_PATIENCE)
    async def on_thread_remove(self, thread: discord.Thread) -> None:
        """The bot was taken out of a thread: a private one it can no longer see."""
        if thread.is_private():
            await self._parts.conversations.lose_thread(thread.id)

    @commands.Cog.listener()
    @persisting(EVENT_PATIENCE)
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was removed from a server."""
        await self._parts.conversations.lose_guild(guild.id)

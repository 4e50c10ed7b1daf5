"""Listens to what happens to messages after they were written: members edit and delete theirs, moderators delete ours,
and somebody gives a thread another title."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.database.patience import EVENT_PATIENCE, persist, persisting
from bot.discord.controls import anew_button
from bot.discord.notices import remark, withdraw
from bot.discord.replies import explain
from bot.errors import BotError
from bot.words import words_for

if TYPE_CHECKING:
    from bot.conversations.changes import AnsweredBefore
    from bot.discord.client import FanFabler, Parts

_REMEMBERED = 500


class ChangeListener(commands.Cog):
    """Turns gateway events about older messages into changes of the conversations."""

    def __init__(self, client: FanFabler, parts: Parts) -> None:
        self._client = client
        self._parts = parts
        # Answers that were offered to be written anew, so that ten edits bring one notice; it is short-lived.
        self._offered: OrderedDict[int, None] = OrderedDict()

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """A message was edited, or Discord has found out what a link in it shows."""
        if payload.data.get("edited_timestamp") is not None:
            await self.edited(payload.message)

    @persisting(EVENT_PATIENCE)
    async def edited(self, message: discord.Message) -> None:
        """This is what a message says now."""
        if message.author.bot or not await self._parts.conversations.knows(message.id):
            return
        reading = await self._parts.reader.read(message, self._client.user)
        if not reading.whole:
            return  # better what was written before than the words without their file
        try:
            offer = await self._parts.conversations.edit(message.id, reading.text)
        except BotError as error:
            await self._refuse(message, error)
            return
        if offer is not None and offer.answer_id not in self._offered:
            await self._offer(offer)

    async def _refuse(self, message: discord.Message, error: BotError) -> None:
        """Say why the story keeps what was written before."""
        known = await self._parts.conversations.locale_in(message.channel.id, message.author.id)
        await remark(self._client, message.channel.id, explain(words_for(known), error))

    async def _offer(self, offer: AnsweredBefore) -> None:
        self._offered[offer.answer_id] = None
        while len(self._offered) > _REMEMBERED:
            self._offered.popitem(last=False)
        words = words_for(offer.locale)
        text = words.say("✏️ You have changed your message. Shall I answer it anew?")
        if await remark(self._client, offer.thread_id, text, anew_button(offer.answer_id, words)) is None:
            self._offered.pop(offer.answer_id, None)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A message was deleted."""
        await self.deleted({payload.message_id})

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Many messages were deleted at once."""
        await self.deleted(payload.message_ids)

    async def deleted(self, message_ids: Collection[int]) -> None:
        """These messages are no more."""
        others = [found for found in message_ids if not self._parts.stage.removed_by_us(found)]
        if others:
            delete = partial(self._parts.conversations.delete, others)
            await withdraw(self._parts, await persist(delete, EVENT_PATIENCE))

    @commands.Cog.listener()
    @persisting(EVENT_PATIENCE)
    async def on_raw_thread_update(self, payload: discord.RawThreadUpdateEvent) -> None:
        """A thread was renamed, archived, locked or the like."""
        name = payload.data.get("name")
        if name:
            await self._parts.conversations.note_title(payload.thread_id, name)

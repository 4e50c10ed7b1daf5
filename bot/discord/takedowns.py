"""Taking down on Discord what a deletion leaves there of the bot's: its messages, and titles made of a prompt. Nothing
that anybody else wrote is touched, whatever the bot may do in a server."""

from __future__ import annotations

import asyncio
import logging

import discord

from bot.database.connection import Database
from bot.database.tables import Takedown
from bot.discord import errors
from bot.discord.errands import Errands
from bot.privacy.takedowns import DueTakedowns

log = logging.getLogger(__name__)

_PAGE = 100
# Discord lets a thread be renamed twice in ten minutes; a request beyond that waits, and is tried again later.
_RENAME_SECONDS = 20.0


class Takedowns(Errands):
    """Takes down what is due."""

    def __init__(self, client: discord.Client, database: Database) -> None:
        super().__init__(client)
        self._due = DueTakedowns(database)

    async def do_due(self) -> None:
        """Everything, one after the other; what Discord does not take just now stays due."""
        for takedown in await self._due.due():
            try:
                finished = await self._take_down(takedown)
            except (discord.NotFound, discord.Forbidden) as error:
                log.info("nothing to take down in channel %s: %s", takedown.channel_id, error.text)
                finished = True
            except (discord.HTTPException, OSError, TimeoutError) as error:
                log.warning("could not take down in channel %s: %s", takedown.channel_id, error)
                finished = False
            if finished:
                await self._due.done(takedown.id)

    async def _take_down(self, takedown: Takedown) -> bool:
        if takedown.new_title is not None:
            return await self._rename(takedown.channel_id, takedown.new_title)
        channel = self._client.get_partial_messageable(takedown.channel_id)
        if takedown.discord_message_id is None:
            return await self._sweep(channel)
        await self._delete(await channel.fetch_message(takedown.discord_message_id))
        return True

    async def _sweep(self, thread: discord.PartialMessageable) -> bool:
        """All of the bot's messages in a thread but those that stories still have."""
        oldest: discord.abc.Snowflake | None = None
        while True:
            page = [message async for message in thread.history(limit=_PAGE, before=oldest)]
            kept = await self._due.accounted_for(thread.id)
            if kept is None:
                return False
            for message in page:
                if message.id not in kept:
                    await self._delete(message)
            if len(page) < _PAGE:
                return True
            oldest = page[-1]

    async def _delete(self, message: discord.Message) -> None:
        """Delete a message, if it is the bot's own."""
        ordinary = message.type in (discord.MessageType.default, discord.MessageType.reply)
        answer = message.type is discord.MessageType.chat_input_command
        if message.author != self._client.user or not (ordinary or answer):
            return
        try:
            await message.delete()
        except discord.NotFound:
            return
        except discord.HTTPException as error:
            if error.code != errors.ARCHIVED:
                raise
            await self._client.http.edit_channel(message.channel.id, archived=False)
            await message.delete()

    async def _rename(self, thread_id: int, title: str) -> bool:
        async with asyncio.timeout(_RENAME_SECONDS):
            await self._client.http.edit_channel(thread_id, name=title)
        return True

"""What became of a thread's older messages while the bot was not connected. Discord tells nobody afterwards, so a
thread is looked over once after each connection, before its next turn; one in which nobody writes costs nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import discord
from discord.utils import snowflake_time, utcnow

from bot.discord.changes import ChangeListener

if TYPE_CHECKING:
    from datetime import datetime

    from bot.discord.client import Parts

log = logging.getLogger(__name__)

_LOOKED_OVER = 100
"""Messages of a thread, which is what Discord gives for one request."""


class AbsenceReview:
    """Finds edits and deletions that no event told of, and has them treated as if one had."""

    def __init__(self, parts: Parts, changes: ChangeListener) -> None:
        self._parts = parts
        self._changes = changes
        self._looks: dict[int, asyncio.Task[None]] = {}
        self._connected: datetime = utcnow()

    def connected(self) -> None:
        """The bot is connected anew: whatever it knew of the threads may be out of date."""
        self._looks.clear()
        self._connected = utcnow()

    async def before(self, message: discord.Message) -> None:
        """Return when the thread that this message was written in has been looked over. Never fails."""
        thread_id = message.channel.id
        if snowflake_time(thread_id) > self._connected:
            return
        look = self._looks.get(thread_id)
        if look is None:
            look = self._looks[thread_id] = asyncio.create_task(self._look_over(message), name="look over")
        # Whoever writes at the same time waits for the same look.
        await asyncio.shield(look)

    async def _look_over(self, message: discord.Message) -> None:
        thread_id = message.channel.id
        try:
            if not _has_history(message.channel) or not await self._compared(thread_id, message):
                log.info("could not look over thread %s: its history cannot be read", thread_id)
                self._looks.pop(thread_id, None)  # perhaps it can before the next message
        except discord.HTTPException as error:
            log.info("could not look over thread %s: %s", thread_id, error)
        except Exception:  # the message that is to be answered now matters more
            log.exception("could not look over thread %s", thread_id)

    async def _compared(self, thread_id: int, message: discord.Message) -> bool:
        """False where nothing was found of a thread that has something: as good as never is all of it gone."""
        async with self._parts.pace.beside(str(thread_id)):
            found = [m async for m in message.channel.history(limit=_LOOKED_OVER, before=message)]
        oldest = min(m.id for m in found) if len(found) == _LOOKED_OVER else thread_id
        posted = await self._parts.conversations.posted(thread_id, oldest, message.id)
        if posted and not found:
            return False
        # Deleted ones first: nothing that is gone is to be answered anew.
        await self._changes.deleted(posted - {m.id for m in found})
        for edited in reversed(found):
            if edited.edited_at is not None:
                await self._changes.edited(edited)
        return True


def _has_history(channel: object) -> bool:
    """Whether the bot may read what was said in a thread. Where it may not, Discord gives no error but nothing."""
    if not isinstance(channel, discord.Thread):
        return False
    try:
        permissions = channel.permissions_for(channel.guild.me)
    except discord.ClientException:  # its channel is hidden from the bot
        return False
    return permissions.view_channel and permissions.read_message_history

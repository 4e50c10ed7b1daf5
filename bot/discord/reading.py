"""Reading what a member wrote: the words as people see them, and the text files they attached."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import discord

from bot.text.files import TextFile, decode, may_be_text, turn_with
from bot.text.mentions import without_mentions
from bot.text.safety import for_title
from bot.words import Words

log = logging.getLogger(__name__)

_MOST_NAMED = 3
_NAME_LIMIT = 60


@dataclass(frozen=True)
class Reading:
    """A turn's text with the files in it, and the names of the files that were not read; not `whole` where Discord did
    not give out one that would have been."""

    text: str
    left_out: tuple[str, ...] = ()
    whole: bool = True


class Reader:
    """Reads messages and files; `limit` is how many bytes of files one turn may hold."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    async def read(self, message: discord.Message, me: discord.abc.User | None) -> Reading:
        """A member's message, without the mention of the bot."""
        return await self.read_with(words_of(message, me), message.attachments)

    async def read_with(self, text: str, attachments: Sequence[discord.Attachment]) -> Reading:
        """Words and the files that come with them, in their order, as long as they fit."""
        files: list[TextFile] = []
        left_out: list[str] = []
        whole = True
        room = self._limit
        for attachment in attachments:
            content = None
            if attachment.size <= room and may_be_text(attachment.filename, attachment.content_type):
                try:
                    content = decode(await attachment.read(), attachment.content_type)
                except (discord.HTTPException, aiohttp.ClientError, TimeoutError, OSError) as error:
                    log.info("could not fetch an attachment: %s", error)
                    whole = False
            if content is None:
                left_out.append(attachment.filename)
            else:
                room -= attachment.size
                files.append(TextFile(attachment.filename, content))
        return Reading(turn_with(text, files), tuple(left_out), whole)

    def apology(self, words: Words, reading: Reading) -> str:
        """One line about the files that were not read."""
        named = [f"`{for_title(name, _NAME_LIMIT)}`" for name in reading.left_out[:_MOST_NAMED]]
        if len(reading.left_out) > _MOST_NAMED:
            named.append("…")
        if self._limit == 0:
            return words.say("I read no files, so I left this out: {files}", files=", ".join(named))
        return words.say(
            "I read text files only, up to {size} KB in one message, so I left this out: {files}",
            size=words.number(self._limit // 1024),
            files=", ".join(named),
        )


def words_of(message: discord.Message, me: discord.abc.User | None) -> str:
    """A message's own words: people, roles and channels by name, and without the call of the bot. What begins a post
    of a forum has the post's title in front, which often is half of what is asked."""
    content = message.content
    if me is not None:
        content = re.sub(rf"<@!?{me.id}>", "", content)
    for user in message.mentions:
        content = re.sub(rf"<@!?{user.id}>", _plain(f"@{user.display_name}"), content)
    for role in message.role_mentions:
        content = content.replace(f"<@&{role.id}>", f"@{role.name}")
    for channel in message.channel_mentions:
        content = content.replace(f"<#{channel.id}>", f"#{channel.name}")
    post = message.channel
    if isinstance(post, discord.Thread) and isinstance(post.parent, discord.ForumChannel):
        content = f"{post.name}\n\n{content}" if message.id == post.id else content
    return without_mentions(content).strip()


def _plain(replacement: str) -> str:
    """A replacement in which a backslash is one."""
    return replacement.replace("\\", r"\\")

"""Going into a thread that others opened, to write a story there."""

from __future__ import annotations

import discord

from bot.discord.errors import NoThreadsHere, ThreadLocked, translated
from bot.errors import ThreadGone


async def enter(thread: discord.Thread) -> None:
    """See that the bot may read and write in a thread, and join it, so that it is told of what is said there.

    Raises:
        ThreadLocked, ThreadGone: it may not. StageError: not just now.
    """
    try:
        permissions = thread.permissions_for(thread.guild.me)
    except discord.ClientException as error:  # its channel is hidden from the bot
        raise ThreadGone(str(error)) from error
    if thread.locked and not permissions.manage_threads:
        raise ThreadLocked
    needed = discord.Permissions(view_channel=True, send_messages_in_threads=True, read_message_history=True)
    if not permissions.is_superset(needed):
        raise ThreadGone(f"the bot lacks permissions in thread {thread.id}")
    if not thread.archived:  # nobody joins an archived one; the first message wakes it
        with translated():
            await thread.join()


def place_for(channel: object, *, private: bool) -> int:
    """The channel in which a thread is opened: where the wish for a private one was said in a thread, that one's.

    Raises:
        NoThreadsHere: there are no such threads in that kind of channel.
    """
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    if not isinstance(parent, discord.TextChannel) or (private and parent.is_news()):
        raise NoThreadsHere
    return parent.id

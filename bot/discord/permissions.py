"""What the bot needs to be allowed in a channel."""

from __future__ import annotations

import discord

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    create_private_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)


def lacking(channel: discord.abc.GuildChannel | discord.Thread) -> list[str]:
    """The permissions that the bot lacks in a channel, by the names that discord.py lists them with: View Channel is
    `read_messages`."""
    try:
        granted = channel.permissions_for(channel.guild.me)
    except discord.ClientException:  # a thread whose channel is hidden from the bot
        granted = discord.Permissions.none()
    return [name for name, needed in PERMISSIONS if needed and not getattr(granted, name)]

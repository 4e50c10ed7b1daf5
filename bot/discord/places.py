"""What a server's rules need to know of a Discord channel and of who asks there."""

from __future__ import annotations

from contextlib import suppress

import discord


def place_ids(channel: object) -> tuple[int, ...]:
    """A channel's id and those of what it is in: a thread's channel, a channel's category."""
    ids = [getattr(channel, "id", None)]
    if isinstance(channel, discord.Thread):
        ids.append(channel.parent_id)
        channel = channel.parent
    ids.append(getattr(channel, "category_id", None))
    return tuple(found for found in ids if found is not None)


def age_restricted(channel: object) -> bool:
    """Whether Discord lets only adults into a channel, or into the one that a thread is in. Categories cannot be
    restricted for what is in them."""
    kinds = (
        discord.TextChannel,
        discord.ForumChannel,
        discord.VoiceChannel,
        discord.StageChannel,
        discord.Thread,
    )
    return isinstance(channel, kinds) and channel.is_nsfw()


def role_ids(user: discord.abc.User) -> tuple[int, ...]:
    """The roles of who used a command or a button."""
    return tuple(role.id for role in user.roles) if isinstance(user, discord.Member) else ()


async def roles_of_author(message: discord.Message) -> tuple[int, ...]:
    """The roles of a message's author. Messages that are read up on come without them, so they are asked for."""
    author = message.author
    if not isinstance(author, discord.Member) and message.guild is not None:
        with suppress(discord.HTTPException):
            return role_ids(await message.guild.fetch_member(author.id))
    return role_ids(author)

"""What is set for a server, in words."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.database.tables import GuildSettings
from bot.words import Words

_MOST_CHANNELS = 30
"""In both lists: 24 characters each, and a field of an embed has room for 1024 with what stands around them."""


def channels_told(words: Words, row: GuildSettings) -> str:
    """Where stories may begin. Of long lists the first channels are named."""
    allowed, excluded = row.allowed_channels or [], row.excluded_channels or []

    def listed(ids: Sequence[int], others: Sequence[int]) -> str:
        most = max(_MOST_CHANNELS // 2, _MOST_CHANNELS - len(others))
        named = ", ".join(f"<#{channel}>" for channel in ids[:most])
        return f"{named}, … (+{words.number(len(ids) - most)})" if len(ids) > most else named

    if allowed and excluded:
        return words.say(
            "Stories may begin in {allowed}, but not in {excluded}.",
            allowed=listed(allowed, excluded),
            excluded=listed(excluded, allowed),
        )
    if allowed:
        return words.say("Stories may begin in {allowed} only.", allowed=listed(allowed, excluded))
    if excluded:
        return words.say(
            "Stories may begin everywhere but in {excluded}.", excluded=listed(excluded, allowed)
        )
    return words.say("Stories may begin in every channel where I can write.")


def mature_told(words: Words, row: GuildSettings, *, moderated: bool) -> str:
    """Whether stories may be mature."""
    if not row.mature:
        return words.say("Stories are rated general or teen; mature ones are not allowed.")
    if not moderated:
        return words.say(
            "Mature stories are allowed in age-restricted channels, but whoever runs me has set up no "
            "moderation service, so there are none as yet."
        )
    return words.say("Mature stories are allowed in age-restricted channels.")


def moderators_told(words: Words, row: GuildSettings) -> str:
    """Where moderators are told of what was blocked."""
    if row.moderator_channel_id is None:
        return words.say(
            "No channel is set for your moderators; what they must know I write to the server's owner."
        )
    return words.say("Your moderators are told in {channel}.", channel=f"<#{row.moderator_channel_id}>")


def may_write(channel: discord.TextChannel) -> bool:
    """Whether the bot can tell them there."""
    permissions = channel.permissions_for(channel.guild.me)
    return permissions.view_channel and permissions.send_messages

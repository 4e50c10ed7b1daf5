"""Who may do what to the story of the thread that a command was used in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.conversations.errors import NoStoryHere
from bot.discord.presses import require_writer

if TYPE_CHECKING:
    from bot.discord.client import Parts


async def steered_thread(parts: Parts, interaction: discord.Interaction) -> int:
    """The thread of the story, where this member may steer it.

    Raises:
        NoStoryHere, StoryClosed, NotAllowed: they may not.
    """
    thread_id = interaction.channel_id
    if thread_id is None:
        raise NoStoryHere
    await parts.conversations.story_in(thread_id)
    require_writer(interaction, await parts.conversations.writers_in(thread_id))
    return thread_id

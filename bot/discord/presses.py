"""What a press on a button under an answer does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.database.tables import JobStatus
from bot.discord.controls import Action
from bot.discord.replies import NotAllowed, whisper
from bot.words import words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

_RATINGS = {Action.UP: 1, Action.DOWN: -1}
_STEPS = {Action.OLDER: -1, Action.NEWER: 1}


class AnswerPresses:
    """Handles the buttons under answers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def press(self, interaction: discord.Interaction, action: Action, answer_id: int) -> None:
        """Do what the button says; a second click finds it done already, and says so at most."""
        if action in _RATINGS:
            await self._rate(interaction, answer_id, _RATINGS[action])
            return
        await interaction.response.defer()
        await self._check(interaction, answer_id)
        locale = str(interaction.locale)
        member_id = interaction.user.id
        conversations = self._parts.conversations
        if action is Action.STOP:
            await self._stop(answer_id)
        elif action is Action.REGENERATE:
            await conversations.regenerate(answer_id, member_id, locale)
        elif action in (Action.CONTINUE, Action.RETRY):
            await conversations.go_on(answer_id, member_id, locale)
        elif action in _STEPS:
            other = await conversations.turn_page(answer_id, _STEPS[action])
            if other is not None:
                await self._parts.dispatcher.show_again(other.id)

    async def _check(self, interaction: discord.Interaction, answer_id: int) -> None:
        """Those who write in the story may steer it, and moderators.

        Raises:
            NotAllowed: nobody else.
        """
        if interaction.permissions.manage_messages:
            return
        if interaction.user.id not in await self._parts.conversations.writers_of(answer_id):
            raise NotAllowed

    async def _stop(self, answer_id: int) -> None:
        self._parts.dispatcher.stop(answer_id)
        job = await self._parts.conversations.stop(answer_id)
        if job is None or job.status == JobStatus.CANCELLED:
            await self._parts.dispatcher.show_again(answer_id)

    async def _rate(self, interaction: discord.Interaction, answer_id: int, rating: int) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        standing = await self._parts.conversations.rate(answer_id, interaction.user.id, rating)
        words = words_for(str(interaction.locale))
        if standing is None:
            text = words.say("Your verdict is taken back.")
        elif standing > 0:
            text = words.say("👍 Noted, thank you.")
        else:
            text = words.say("👎 Noted, thank you. «Again» gives you another try.")
        await whisper(interaction, text)

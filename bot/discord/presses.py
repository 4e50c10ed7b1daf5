"""What a press on a button under an answer does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import discord

from bot.conversations.errors import NotTheLastAnswer
from bot.conversations.lifecycle import Place
from bot.database.tables import JobStatus
from bot.discord.controls import Action
from bot.discord.feedback import ReasonForm
from bot.discord.notices import branch_notice, show_branch
from bot.discord.places import role_ids
from bot.discord.privacy import ask_for_consent
from bot.discord.replies import NOBODY, NotAllowed, whisper
from bot.words import words_for

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

_STEPS = {Action.OLDER: -1, Action.NEWER: 1}


class AnswerPresses:
    """Handles the buttons under answers."""

    def __init__(self, client: FanFabler, parts: Parts) -> None:
        self._client = client
        self._parts = parts

    async def press(self, interaction: discord.Interaction, action: Action, answer_id: int) -> None:
        """Do what the button says; a second click finds it done already, and says so at most."""
        if action is Action.UP:
            await self._like(interaction, answer_id)
            return
        if action is Action.DOWN:
            await self._dislike(interaction, answer_id)
            return
        await interaction.response.defer()
        await self._check(interaction, answer_id)
        locale = str(interaction.locale)
        member_id = interaction.user.id
        conversations = self._parts.conversations
        if action is Action.STOP:
            await self._stop(answer_id)
        elif action is Action.REGENERATE:
            await conversations.regenerate(answer_id, member_id, locale, role_ids(interaction.user))
        elif action in (Action.CONTINUE, Action.RETRY):
            await conversations.go_on(answer_id, member_id, locale, role_ids(interaction.user))
        elif action in _STEPS:
            other = await conversations.turn_page(answer_id, _STEPS[action])
            if other is not None:
                await self._parts.dispatcher.show_again(other.id)
        elif action in (Action.BRANCH, Action.BRING_BACK):
            await self._branch(interaction, answer_id)
        elif action is Action.ANEW:
            await self._answer_anew(interaction, answer_id)

    async def _check(self, interaction: discord.Interaction, answer_id: int) -> None:
        await self._require_here(interaction, answer_id)
        require_writer(interaction, await self._parts.conversations.writers_of(answer_id))

    async def _require_here(self, interaction: discord.Interaction, answer_id: int) -> None:
        require_here(interaction, await self._parts.conversations.place_of(answer_id))

    async def _stop(self, answer_id: int) -> None:
        self._parts.dispatcher.stop(answer_id)
        job = await self._parts.conversations.stop(answer_id)
        if job is None or job.status == JobStatus.CANCELLED:
            await self._parts.dispatcher.show_again(answer_id)

    async def _branch(self, interaction: discord.Interaction, answer_id: int) -> None:
        branched = await self._parts.conversations.branch(answer_id)
        await show_branch(self._client, self._parts, branched)
        notice = branch_notice(words_for(str(interaction.locale)), branched)
        await interaction.followup.send(notice, allowed_mentions=NOBODY, suppress_embeds=True)

    async def _answer_anew(self, interaction: discord.Interaction, answer_id: int) -> None:
        """The member's message was changed; the notice that offered this has done its work, or the story went on."""
        try:
            await self._parts.conversations.regenerate(
                answer_id, interaction.user.id, str(interaction.locale), role_ids(interaction.user)
            )
        except NotTheLastAnswer:
            await self._remove_notice(interaction)
            raise
        await self._remove_notice(interaction)

    @staticmethod
    async def _remove_notice(interaction: discord.Interaction) -> None:
        with suppress(discord.HTTPException):
            await interaction.delete_original_response()

    async def _like(self, interaction: discord.Interaction, answer_id: int) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._require_here(interaction, answer_id)
        standing = await self._parts.conversations.rate(answer_id, interaction.user.id, 1)
        words = words_for(str(interaction.locale))
        if standing is None:
            await whisper(interaction, words.say("Your verdict is taken back."))
        else:
            await whisper(interaction, words.say("👍 Noted, thank you."))
            await ask_for_consent(interaction, self._parts)

    async def _dislike(self, interaction: discord.Interaction, answer_id: int) -> None:
        """A form has to be the first answer to a press, and within three seconds, so the verdict is noted after it:
        it counts whether or not the form is sent in."""
        await interaction.response.send_modal(ReasonForm(answer_id, words_for(str(interaction.locale))))
        await self._require_here(interaction, answer_id)
        await self._parts.conversations.dislike(answer_id, interaction.user.id)

    async def explain_dislike(
        self, interaction: discord.Interaction, answer_id: int, reason: str | None
    ) -> None:
        """The form was sent in."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._require_here(interaction, answer_id)
        await self._parts.conversations.dislike(answer_id, interaction.user.id, reason)
        words = words_for(str(interaction.locale))
        await whisper(interaction, words.say("👎 Noted, thank you. «Again» gives you another try."))

    async def reopen(self, interaction: discord.Interaction, conversation_id: int) -> None:
        """«Open again», under the note that a story was closed."""
        await interaction.response.defer()
        require_here(interaction, await self._parts.conversations.place_of_story(conversation_id))
        require_writer(interaction, await self._parts.conversations.writers_of_story(conversation_id))
        story = await self._parts.conversations.reopen(conversation_id)
        if story.thread_id is not None:
            await self._parts.stage.wake(story.thread_id)
        words = words_for(str(interaction.locale))
        await interaction.edit_original_response(
            content=words.say("📖 The story is open again. Just write on."), view=None
        )


def require_here(interaction: discord.Interaction, place: Place | None) -> None:
    """A button acts on the story of its own thread, whatever id it carries: what somebody may in one server gives them
    nothing in another. A story whose thread another one took over has only its server left.

    Raises:
        NotAllowed: it is told elsewhere.
    """
    if place is None:
        return
    elsewhere = place.thread_id is not None and place.thread_id != interaction.channel_id
    if elsewhere or place.guild_id != interaction.guild_id:
        raise NotAllowed


def require_writer(interaction: discord.Interaction, writers: set[int]) -> None:
    """Those who write in a story may steer it, and moderators.

    Raises:
        NotAllowed: nobody else.
    """
    if not interaction.permissions.manage_messages and interaction.user.id not in writers:
        raise NotAllowed

"""Embeds to be paged through with ◀ ▶, by one member, for a while. The buttons go when the time is over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import discord
from discord import ui

from bot.discord.replies import reply_error, whisper
from bot.words import Words

# Shorter than the life of an interaction's token (15 minutes), with which the buttons are taken away.
_OPEN_SECONDS = 600.0


class Pages(ui.View):
    """A view over some embeds. `show` sends it as the answer to a deferred interaction."""

    def __init__(self, embeds: Sequence[discord.Embed], words: Words, owner_id: int) -> None:
        super().__init__(timeout=_OPEN_SECONDS)
        self.embeds = list(embeds)
        self.page = 0
        self.words = words
        self._owner_id = owner_id
        self._latest: discord.Interaction | None = None
        self._older = _Turn("◀️", -1)
        self._place: ui.Button[Pages] = ui.Button(style=discord.ButtonStyle.secondary, disabled=True)
        self._newer = _Turn("▶️", 1)
        if len(self.embeds) > 1:
            for button in (self._older, self._place, self._newer):
                self.add_item(button)
        self._arrange()

    async def show(self, interaction: discord.Interaction, **more: Any) -> discord.Message:
        """Answer a deferred interaction with the first page; `more` goes along with it (attachments)."""
        self._latest = interaction
        view = self if self.children else None
        message = await interaction.edit_original_response(embed=self.embeds[self.page], view=view, **more)
        if view is None:
            self.stop()
        return message

    async def turn(self, interaction: discord.Interaction, step: int) -> None:
        """Show another page."""
        self.page = min(max(self.page + step, 0), len(self.embeds) - 1)
        await self.refresh(interaction)

    async def refresh(self, interaction: discord.Interaction) -> None:
        """Show the page as it is now, in answer to a press."""
        self._latest = interaction
        self._arrange()
        await interaction.response.edit_message(embed=self.embeds[self.page], view=self)

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Only who asked may page."""
        if interaction.user.id == self._owner_id:
            return True
        await whisper(interaction, self.words.say("Only who asked for this can turn the pages."))
        return False

    async def on_error(self, interaction: discord.Interaction, error: Exception, _: ui.Item[Any], /) -> None:
        """In words, as everywhere."""
        await reply_error(interaction, error)

    async def on_timeout(self) -> None:
        """Take the buttons away, that nobody presses them in vain."""
        if self._latest is not None:
            with suppress(discord.HTTPException):
                await self._latest.edit_original_response(view=None)

    def _arrange(self) -> None:
        self._older.disabled = self.page == 0
        self._newer.disabled = self.page == len(self.embeds) - 1
        self._place.label = f"{self.words.number(self.page + 1)}/{self.words.number(len(self.embeds))}"


class _Turn(ui.Button[Pages]):
    def __init__(self, emoji: str, step: int) -> None:
        super().__init__(emoji=emoji, style=discord.ButtonStyle.secondary)
        self._step = step

    async def callback(self, interaction: discord.Interaction) -> None:
        """Turn."""
        assert self.view is not None  # noqa: S101 -- it is in one
        await self.view.turn(interaction, self._step)

"""`/story pin` and `pins`, and the message command that pins a passage: the story bible."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.conversations.bible import MAX_PIN_LENGTH, MAX_PINS, NothingToPin
from bot.database.tables import Pin
from bot.discord.colours import INFORMATION
from bot.discord.replies import NOBODY, deferred, explain, reply_error, whisper
from bot.discord.story.access import steered_thread
from bot.text.length import shorten
from bot.text.safety import for_embed, for_message, for_title
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

_OPEN_SECONDS = 600.0
# Discord's limits: the title and the label of a form, the label of a choice in a menu.
_FORM_LIMIT, _CHOICE_LIMIT, _MESSAGE_LIMIT = 45, 100, 2000
_LISTED = 180


class MemoryCommands(commands.Cog):
    """A part of `StoryCog`: pins."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("pin")),
        description=locale_str(to_say("Pin a fact or a passage: I keep to it throughout the story")),
    )
    @app_commands.rename(text=locale_str(to_say("text")))
    @app_commands.describe(text=locale_str(to_say("What holds in this story")))
    async def pin(
        self, interaction: discord.Interaction, text: app_commands.Range[str, 1, MAX_PIN_LENGTH]
    ) -> None:
        """Pin a text, for all to see."""
        await pin_and_tell(self._parts, interaction, text)

    @app_commands.command(
        name=locale_str(to_say("pins")),
        description=locale_str(to_say("What is pinned to this story; you can remove it here")),
    )
    async def pins(self, interaction: discord.Interaction) -> None:
        """List the pins, with a menu to remove some."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        thread_id = await steered_thread(self._parts, interaction)
        words = words_for(str(interaction.locale))
        pins = await self._parts.conversations.pins(thread_id)
        view = PinList(self._parts, words, thread_id, pins) if pins else None
        await interaction.edit_original_response(embed=pins_embed(pins, words), view=view)
        if view is not None:
            view.opened_by = interaction

    async def pin_this(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """The message command: a form with the message's text, to be cut to the passage that is to stay."""
        words = words_for(str(interaction.locale))
        if not message.content.strip():
            await whisper(interaction, explain(words, NothingToPin()))
            return
        await interaction.response.send_modal(PinForm(self._parts, words, message.content))


async def pin_and_tell(parts: Parts, interaction: discord.Interaction, text: str) -> None:
    """Pin a text to the story of this thread, and say so there."""
    pin = await deferred(interaction, _pin(parts, interaction, text), ephemeral=False)
    words = words_for(str(interaction.locale))
    quoted = "\n".join(f"> {line}" if line else ">" for line in for_message(pin.text).split("\n"))
    notice = words.say(
        "📌 **{name}** pinned this to the story:", name=for_title(interaction.user.display_name, 80)
    )
    content = shorten(f"{notice}\n{quoted}", _MESSAGE_LIMIT)
    await interaction.edit_original_response(content=content, allowed_mentions=NOBODY)


async def _pin(parts: Parts, interaction: discord.Interaction, text: str) -> Pin:
    thread_id = await steered_thread(parts, interaction)
    return await parts.conversations.pin(thread_id, interaction.user.id, text)


class PinForm(ui.Modal):
    """The text of a message, to be cut down and pinned."""

    def __init__(self, parts: Parts, words: Words, text: str) -> None:
        super().__init__(title=shorten(words.say("Pin to the story"), _FORM_LIMIT), timeout=_OPEN_SECONDS)
        self._parts = parts
        self._text: ui.TextInput[PinForm] = ui.TextInput(
            custom_id="passage",
            style=discord.TextStyle.paragraph,
            default=shorten(text.strip(), MAX_PIN_LENGTH),
            max_length=MAX_PIN_LENGTH,
        )
        label = words.say("The passage that I should keep to")
        self.add_item(ui.Label(text=shorten(label, _FORM_LIMIT), component=self._text))

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        """Pin what is left of it."""
        text = str(self._text.value or "")
        if not text.strip():
            raise NothingToPin
        await pin_and_tell(self._parts, interaction, text)

    async def on_error(  # type: ignore[override]
        self, interaction: discord.Interaction, error: Exception, /
    ) -> None:
        """In words, as everywhere."""
        await reply_error(interaction, error)


def pins_embed(pins: Sequence[Pin], words: Words) -> discord.Embed:
    """The pins of a story, numbered."""
    embed = discord.Embed(title=words.say("📌 The story bible"), colour=INFORMATION)
    if not pins:
        embed.description = words.say(
            "Nothing is pinned yet. **/story pin** keeps a fact in my mind for the whole story, and "
            "**Apps › Pin to the story** on a message keeps a passage."
        )
        return embed
    lines = []
    for number, pin in enumerate(pins, 1):
        text = for_embed(" ".join(pin.text.split()), _LISTED)
        lines.append(f"**{words.number(number)}.** {text} · <@{pin.author_id}>")
    embed.description = "\n".join(lines)
    used, most = words.number(len(pins)), words.number(MAX_PINS)
    return embed.set_footer(text=words.say("{used} of {most} pins", used=used, most=most))


class PinList(ui.View):
    """A menu under the list of pins, that removes those which are chosen."""

    def __init__(self, parts: Parts, words: Words, thread_id: int, pins: Sequence[Pin]) -> None:
        super().__init__(timeout=_OPEN_SECONDS)
        self._parts = parts
        self._words = words
        self._thread_id = thread_id
        self.opened_by: discord.Interaction | None = None
        self._menu: ui.Select[PinList] = ui.Select(placeholder=words.say("Remove …"), max_values=len(pins))
        for number, pin in enumerate(pins, 1):
            label = shorten(f"{words.number(number)}. {for_title(pin.text, _CHOICE_LIMIT)}", _CHOICE_LIMIT)
            self._menu.add_option(label=label, value=str(pin.id))
        self._menu.callback = self._remove  # type: ignore[method-assign]
        self.add_item(self._menu)

    async def _remove(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await steered_thread(self._parts, interaction)
        conversations = self._parts.conversations
        removed = await conversations.unpin(self._thread_id, [int(value) for value in self._menu.values])
        pins = await conversations.pins(self._thread_id)
        view = PinList(self._parts, self._words, self._thread_id, pins) if pins else None
        self.stop()
        await interaction.edit_original_response(embed=pins_embed(pins, self._words), view=view)
        if view is not None:
            view.opened_by = interaction
        if removed:
            await self._tell(interaction, removed)

    async def _tell(self, interaction: discord.Interaction, removed: Sequence[Pin]) -> None:
        """All who write in the story should know what no longer holds."""
        name = for_title(interaction.user.display_name, 80)
        notice = self._words.say("📌 **{name}** removed from what is pinned:", name=name)
        lines = "\n".join(f"> {for_embed(' '.join(pin.text.split()), _LISTED)}" for pin in removed)
        content = shorten(f"{notice}\n{lines}", _MESSAGE_LIMIT)
        await interaction.followup.send(content, allowed_mentions=NOBODY)

    async def on_error(self, interaction: discord.Interaction, error: Exception, _: ui.Item[Any], /) -> None:
        """In words, as everywhere."""
        await reply_error(interaction, error)

    async def on_timeout(self) -> None:
        """Take the menu away, that nobody uses it in vain."""
        if self.opened_by is not None:
            with suppress(discord.HTTPException):
                await self.opened_by.edit_original_response(view=None)

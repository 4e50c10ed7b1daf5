"""`/privacy`: a member's own data, as a file or deleted, and their consent to training. Buttons carry no ids: what they
do is done for whoever presses them, and only the member sees them."""

from __future__ import annotations

import enum
import gzip
import io
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

import aiohttp
import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.discord.receipts import receipt_text
from bot.discord.replies import NOBODY, reply_error, whisper
from bot.privacy.collection import as_json, collect
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

# Below the 10 MiB that Discord takes everywhere.
_PLAIN_LIMIT = 8 * 1024 * 1024
_FILES = 10
_NAME = "fanfabler-my-data.json"
_NOT_REACHED = (discord.HTTPException, aiohttp.ClientError, OSError)


class PrivacyAction(enum.StrEnum):
    """What a button does; the value is in its custom id, so it must not change."""

    ERASE_ALL = "eraseall"
    ERASE = "erase"
    KEEP = "keep"
    CONSENT = "yes"
    REFUSE = "no"


class PrivacyButton(ui.DynamicItem[ui.Button[Any]], template=r"fp:(?P<action>[a-z]+)"):
    """One button; discord.py makes it anew from the custom id when it is pressed."""

    def __init__(
        self,
        action: PrivacyAction,
        label: str = "",
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    ) -> None:
        super().__init__(ui.Button(custom_id=f"fp:{action}", label=label, style=style))
        self.action = action

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(PrivacyAction(match["action"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Do it for whoever pressed."""
        parts = cast("FanFabler", interaction.client).parts
        try:
            await _pressed(interaction, parts, self.action)
        except Exception as error:
            await reply_error(interaction, error)


class PrivacyCog(
    commands.GroupCog,
    group_name=locale_str(to_say("privacy")),
    group_description=locale_str(to_say("Your own data")),
):
    """Parses, calls a service, renders."""

    def __init__(self, client: FanFabler, parts: Parts) -> None:
        self._client = client
        self._parts = parts

    async def cog_load(self) -> None:
        """Register the buttons, which work after a restart."""
        self._client.add_dynamic_items(PrivacyButton)

    @app_commands.command(
        name=locale_str(to_say("export")), description=locale_str(to_say("All that I have of you, as a file"))
    )
    @app_commands.checks.cooldown(2, 60)
    async def export(self, interaction: discord.Interaction) -> None:
        """Send the member their data, seen by nobody else."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        document = await collect(self._parts.database, interaction.user.id, self._parts.holders)
        text = words.say("This is all that I have of you. Only you see it.")
        files = files_of(as_json(document))
        if len(files) > 1:
            text += "\n" + words.say(
                "It is so much that it comes in parts: put them together, then unpack them."
            )
        await interaction.followup.send(text, files=files, ephemeral=True, allowed_mentions=NOBODY)

    @app_commands.command(
        name=locale_str(to_say("delete")), description=locale_str(to_say("Delete all that I have of you"))
    )
    async def delete(self, interaction: discord.Interaction) -> None:
        """Say what will be deleted, and ask."""
        words = words_for(str(interaction.locale))
        await interaction.response.send_message(
            words.say(
                "**This deletes all that I have of you, and cannot be undone.** Stories in which nobody else wrote go "
                "altogether. From the others your words and your name go; what others wrote there, and what I "
                "answered, stays for them. Answers that I am writing for you end. What you wrote on Discord yourself "
                "stays there until you delete it.\n"
                "Shall I also take down what I have posted in the threads that were yours alone, and what quotes you "
                "elsewhere?"
            ),
            view=_view(
                (PrivacyAction.ERASE_ALL, words.say("Delete it, my posts too"), discord.ButtonStyle.danger),
                (PrivacyAction.ERASE, words.say("Delete it, leave the posts"), discord.ButtonStyle.danger),
                (PrivacyAction.KEEP, words.say("Keep everything"), discord.ButtonStyle.secondary),
            ),
            ephemeral=True,
        )

    @app_commands.command(
        name=locale_str(to_say("training-consent")),
        description=locale_str(to_say("Whether answers that you rate may train the model")),
    )
    @app_commands.rename(allowed=locale_str(to_say("allowed")))
    @app_commands.describe(allowed=locale_str(to_say("Yes or no; left out: what holds now")))
    async def training_consent(self, interaction: discord.Interaction, allowed: bool | None = None) -> None:
        """See or set the consent."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        if allowed is not None:
            await self._parts.privacy.set_consent(interaction.user.id, given=allowed)
        given = await self._parts.privacy.consent(interaction.user.id)
        await whisper(interaction, _consent_text(words, given=given))


async def ask_for_consent(interaction: discord.Interaction, parts: Parts) -> None:
    """After a first 👍: ask once, in a line that only the member sees and may ignore."""
    if not await parts.privacy.may_ask(interaction.user.id):
        return
    words = words_for(str(interaction.locale))
    await interaction.followup.send(
        words.say(
            "A question that I ask only once: may the exchanges that you rate help to train the model that I write "
            "with? It is fine to say no, or nothing. **/privacy training-consent** changes it at any time."
        ),
        view=_view(
            (PrivacyAction.CONSENT, words.say("Yes, gladly"), discord.ButtonStyle.secondary),
            (PrivacyAction.REFUSE, words.say("No, thank you"), discord.ButtonStyle.secondary),
        ),
        ephemeral=True,
        allowed_mentions=NOBODY,
    )


async def _pressed(interaction: discord.Interaction, parts: Parts, action: PrivacyAction) -> None:
    words = words_for(str(interaction.locale))
    if action in (PrivacyAction.ERASE_ALL, PrivacyAction.ERASE):
        await _erase(interaction, parts, words, take_down=action is PrivacyAction.ERASE_ALL)
        return
    await interaction.response.defer()
    if action is PrivacyAction.KEEP:
        text = words.say("Nothing was deleted.")
    else:
        given = action is PrivacyAction.CONSENT
        await parts.privacy.set_consent(interaction.user.id, given=given)
        text = _consent_text(words, given=given)
    await interaction.edit_original_response(content=text, view=None)


async def _erase(interaction: discord.Interaction, parts: Parts, words: Words, *, take_down: bool) -> None:
    """Delete it all, whatever has become of the message with the button: where it is gone, the receipt comes anew."""
    with suppress(*_NOT_REACHED):
        await interaction.response.defer()
        await interaction.edit_original_response(content=words.say("I am deleting it …"), view=None)
    receipt = await parts.privacy.delete(interaction.user.id, take_down=take_down)
    parts.takedowns.wake()
    text = receipt_text(words, receipt, take_down=take_down)
    try:
        await interaction.edit_original_response(content=text, view=None)
    except _NOT_REACHED:
        await whisper(interaction, text)


def _consent_text(words: Words, *, given: bool) -> str:
    if given:
        return words.say(
            "The exchanges that you rate may help to train the model. Thank you. You can take that back at any time; "
            "what a model has learned by then it keeps."
        )
    return words.say("What you write and rate is not trained on.")


def _view(*buttons: tuple[PrivacyAction, str, discord.ButtonStyle]) -> ui.View:
    view = ui.View(timeout=None)
    for action, label, style in buttons:
        view.add_item(PrivacyButton(action, label, style))
    return view


def files_of(content: bytes, limit: int = _PLAIN_LIMIT) -> list[discord.File]:
    """The content as attachments: as it is, or packed, or packed and in parts."""
    if len(content) <= limit:
        return [discord.File(io.BytesIO(content), _NAME)]
    packed = gzip.compress(content)
    parts = [packed[start : start + limit] for start in range(0, len(packed), limit)]
    if len(parts) == 1:
        return [discord.File(io.BytesIO(packed), f"{_NAME}.gz")]
    return [
        discord.File(io.BytesIO(part), f"{_NAME}.gz.{number:02}")
        for number, part in enumerate(parts[:_FILES], 1)
    ]

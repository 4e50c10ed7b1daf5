"""Buttons and selects of what `/admin` shows. Their custom ids (`fa:<panel>:<action>:<argument>`) say all there is to
know, so they work after a restart; who presses is checked anew each time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast

import discord
from discord import ui

_TEMPLATE = r"fa:(?P<panel>[a-z]+):(?P<action>[a-z]+):(?P<argument>[0-9a-z.-]*)"
_CHOICE_TEMPLATE = r"fas:(?P<panel>[a-z]+):(?P<action>[a-z]+):(?P<argument>[0-9a-z.-]*)"
_CHANNEL_TEMPLATE = r"fac:(?P<panel>[a-z]+):(?P<action>[a-z]+):(?P<argument>[0-9a-z.-]*)"
_SUBJECT_TEMPLATE = r"fam:(?P<panel>[a-z]+):(?P<action>[a-z]+):(?P<argument>[0-9a-z.-]*)"
MOST_CHANNELS = 25
"""Channels that a select holds."""


@dataclass(frozen=True)
class Press:
    """What was pressed or chosen. `panel` is whose it is, `argument` what the control carries, `values` what was
    chosen in a select: texts, ids of channels, or `role.ID` and `member.ID`."""

    panel: str
    action: str
    argument: str = ""
    values: tuple[str, ...] = ()


class AdminPresses(Protocol):
    """The client, as far as a control needs it."""

    async def admin_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """An admin, or somebody who would be one, pressed a control."""
        ...


class AdminButton(ui.DynamicItem[ui.Button[Any]], template=_TEMPLATE):
    """One button; discord.py makes it anew from the custom id when it is pressed."""

    def __init__(
        self,
        press: Press,
        *,
        label: str | None = None,
        emoji: str | None = None,
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
        disabled: bool = False,
        row: int | None = None,
    ) -> None:
        custom_id = f"fa:{press.panel}:{press.action}:{press.argument}"
        super().__init__(
            ui.Button(custom_id=custom_id, label=label, emoji=emoji, style=style, disabled=disabled, row=row)
        )
        self.press = press

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(Press(match["panel"], match["action"], match["argument"]), label="…")

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client."""
        await cast("AdminPresses", interaction.client).admin_pressed(interaction, self.press)


class AdminSelect(ui.DynamicItem[ui.Select[Any]], template=_CHOICE_TEMPLATE):
    """A select of strings."""

    def __init__(
        self,
        press: Press,
        options: Sequence[discord.SelectOption],
        *,
        placeholder: str | None = None,
        row: int | None = None,
    ) -> None:
        custom_id = f"fas:{press.panel}:{press.action}:{press.argument}"
        super().__init__(
            ui.Select(custom_id=custom_id, options=list(options), placeholder=placeholder, row=row)
        )
        self.press = press

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(Press(match["panel"], match["action"], match["argument"]), [])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client, with what was chosen."""
        await _hand_on(interaction, self.press, _chosen(interaction))


class AdminChannelSelect(ui.DynamicItem[ui.ChannelSelect[Any]], template=_CHANNEL_TEMPLATE):
    """A select of channels, all of a list at once; `chosen` are those in it now."""

    def __init__(
        self,
        press: Press,
        kinds: Sequence[discord.ChannelType] = (),
        *,
        chosen: Sequence[int] = (),
        most: int = MOST_CHANNELS,
        placeholder: str | None = None,
        row: int | None = None,
    ) -> None:
        select: ui.ChannelSelect[Any] = ui.ChannelSelect(
            custom_id=f"fac:{press.panel}:{press.action}:{press.argument}",
            channel_types=list(kinds),
            min_values=0,
            max_values=most,
            default_values=[
                discord.SelectDefaultValue(id=channel, type=discord.SelectDefaultValueType.channel)
                for channel in chosen
            ],
            placeholder=placeholder,
            row=row,
        )
        super().__init__(select)
        self.press = press

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(Press(match["panel"], match["action"], match["argument"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client, with what was chosen."""
        await _hand_on(interaction, self.press, _chosen(interaction))


class AdminSubjectSelect(ui.DynamicItem[ui.MentionableSelect[Any]], template=_SUBJECT_TEMPLATE):
    """A select of one role or one member."""

    def __init__(self, press: Press, *, placeholder: str | None = None, row: int | None = None) -> None:
        custom_id = f"fam:{press.panel}:{press.action}:{press.argument}"
        super().__init__(ui.MentionableSelect(custom_id=custom_id, placeholder=placeholder, row=row))
        self.press = press

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(Press(match["panel"], match["action"], match["argument"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client, with who was chosen and of which kind."""
        roles = cast("dict[str, Any]", interaction.data or {}).get("resolved", {}).get("roles", {})
        named = [f"role.{value}" if value in roles else f"member.{value}" for value in _chosen(interaction)]
        await _hand_on(interaction, self.press, tuple(named))


def _chosen(interaction: discord.Interaction) -> tuple[str, ...]:
    return tuple(str(value) for value in cast("dict[str, Any]", interaction.data or {}).get("values", ()))


async def _hand_on(interaction: discord.Interaction, press: Press, values: tuple[str, ...]) -> None:
    handed = Press(press.panel, press.action, press.argument, values)
    await cast("AdminPresses", interaction.client).admin_pressed(interaction, handed)

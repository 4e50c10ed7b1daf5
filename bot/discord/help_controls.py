"""The buttons and the select under a page of `/help`. Their custom ids carry the page that they stand under, so they
work after a restart; which pages somebody may see is looked up anew each time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, Self, cast

import discord
from discord import ui

from bot.discord.help_pages import EMOJI, Topic, title
from bot.text.length import shorten
from bot.words import Words

_OPTION_LIMIT, _PLACEHOLDER_LIMIT = 100, 150
_STEPS = {"prev": -1, "next": 1}


class HelpPresses(Protocol):
    """The client, as far as a control needs it."""

    async def help_turned(self, interaction: discord.Interaction, topic: str, step: int) -> None:
        """Somebody wants the page `step` pages after that of a topic."""
        ...


class HelpButton(ui.DynamicItem[ui.Button[Any]], template=r"fh:(?P<way>prev|next|place):(?P<topic>[a-z]+)"):
    """◀️ and ▶️, and between them which page is shown."""

    def __init__(self, way: str, topic: str, *, label: str | None = None, disabled: bool = False) -> None:
        emoji = {"prev": "◀️", "next": "▶️"}.get(way)
        super().__init__(
            ui.Button(custom_id=f"fh:{way}:{topic}", emoji=emoji, label=label, disabled=disabled, row=1)
        )
        self.way = way
        self.topic = topic

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(match["way"], match["topic"], label="…")

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client."""
        client = cast("HelpPresses", interaction.client)
        await client.help_turned(interaction, self.topic, _STEPS.get(self.way, 0))


class HelpSelect(ui.DynamicItem[ui.Select[Any]], template=r"fhs:topic"):
    """A select of the pages."""

    def __init__(self, options: Sequence[discord.SelectOption], placeholder: str | None = None) -> None:
        super().__init__(
            ui.Select(custom_id="fhs:topic", options=list(options), placeholder=placeholder, row=0)
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls([])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client, with what was chosen."""
        chosen = cast("dict[str, Any]", interaction.data or {}).get("values") or [Topic.START]
        await cast("HelpPresses", interaction.client).help_turned(interaction, str(chosen[0]), 0)


def help_controls(words: Words, topic: Topic, there: Sequence[Topic]) -> ui.View:
    """The controls under a page, one of those that are `there` for the reader."""
    place = list(there).index(topic)
    view = ui.View(timeout=None)
    view.add_item(
        HelpSelect(
            [
                discord.SelectOption(
                    label=shorten(title(words, each), _OPTION_LIMIT),
                    value=each.value,
                    emoji=EMOJI[each],
                    default=each is topic,
                )
                for each in there
            ],
            shorten(words.say("What would you like to know?"), _PLACEHOLDER_LIMIT),
        )
    )
    told = f"{words.number(place + 1)}/{words.number(len(there))}"
    view.add_item(HelpButton("prev", topic, disabled=place == 0))
    view.add_item(HelpButton("place", topic, label=told, disabled=True))
    view.add_item(HelpButton("next", topic, disabled=place == len(there) - 1))
    return view

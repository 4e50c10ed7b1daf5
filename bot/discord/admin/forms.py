"""Forms of `/admin`. What is sent in is read from the interaction itself, so that one opened before a restart works
after it; who sent it is checked anew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import discord
from discord import ui

from bot.discord.admin.controls import Press
from bot.discord.feedback import form_fields
from bot.text.length import shorten

_FORM = re.compile(r"faf:(?P<panel>[a-z]+):(?P<action>[a-z]+):(?P<argument>[0-9a-z.-]*)")
_OPEN_SECONDS = 900.0
# Discord's limits for a form.
_TITLE_LIMIT, _LABEL_LIMIT, _DESCRIPTION_LIMIT = 45, 45, 100


@dataclass(frozen=True)
class Line:
    """One line to be filled in, which may stay empty."""

    name: str
    label: str
    description: str
    value: str = ""
    longest: int = 10


class AdminForm(ui.Modal):
    """A form of some lines."""

    def __init__(self, press: Press, title: str, lines: Sequence[Line]) -> None:
        super().__init__(
            title=shorten(title, _TITLE_LIMIT),
            custom_id=f"faf:{press.panel}:{press.action}:{press.argument}",
            timeout=_OPEN_SECONDS,
        )
        for line in lines:
            self.add_item(
                ui.Label(
                    text=shorten(line.label, _LABEL_LIMIT),
                    description=shorten(line.description, _DESCRIPTION_LIMIT),
                    component=ui.TextInput(
                        custom_id=line.name, default=line.value, required=False, max_length=line.longest
                    ),
                )
            )


def form_given(interaction: discord.Interaction) -> tuple[Press, dict[str, str]] | None:
    """Which form was sent in, and what stands in it; None where the interaction is anything else."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    data = cast("Mapping[str, Any]", interaction.data or {})
    match = _FORM.fullmatch(str(data.get("custom_id", "")))
    if match is None:
        return None
    filled = {
        str(field["custom_id"]): str(field.get("value") or "").strip()
        for field in form_fields(data)
        if "custom_id" in field and "value" in field
    }
    return Press(match["panel"], match["action"], match["argument"]), filled

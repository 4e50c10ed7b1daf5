"""The form behind 👎: what was wrong with an answer. Its custom id carries the answer's row id, and what is sent in is
read from the interaction itself, so it needs no memory of having been opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import discord
from discord import ui

from bot.text.length import shorten
from bot.words import Words

_FORM = re.compile(r"ff:why:(?P<answer>[0-9]{1,18})")
_REASON = "reason"
_LONGEST = 1000
_OPEN_SECONDS = 900.0
# Discord's limits for a form.
_TITLE_LIMIT, _LABEL_LIMIT, _PLACEHOLDER_LIMIT = 45, 45, 100


class ReasonForm(ui.Modal):
    """Asks why; to say nothing is an answer too."""

    def __init__(self, answer_id: int, words: Words) -> None:
        super().__init__(
            title=shorten(words.say("What was wrong?"), _TITLE_LIMIT),
            custom_id=f"ff:why:{answer_id}",
            timeout=_OPEN_SECONDS,
        )
        self.add_item(
            ui.Label(
                text=shorten(words.say("Tell me, if you like"), _LABEL_LIMIT),
                component=ui.TextInput(
                    custom_id=_REASON,
                    style=discord.TextStyle.paragraph,
                    required=False,
                    max_length=_LONGEST,
                    placeholder=shorten(
                        words.say("Wrong language, out of character, too short, boring …"), _PLACEHOLDER_LIMIT
                    ),
                ),
            )
        )


def reason_given(interaction: discord.Interaction) -> tuple[int, str | None] | None:
    """The answer and the reason of a form that was sent in; None where the interaction is anything else."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    data = cast("Mapping[str, Any]", interaction.data or {})
    match = _FORM.fullmatch(str(data.get("custom_id", "")))
    if match is None:
        return None
    reason = next(
        (str(field.get("value") or "") for field in form_fields(data) if field.get("custom_id") == _REASON),
        "",
    )
    return int(match["answer"]), reason.strip()[:_LONGEST] or None


def form_fields(component: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A form's components, however they are nested."""
    yield component
    inner = [
        *component.get("components", ()),
        *([component["component"]] if "component" in component else ()),
    ]
    for each in inner:
        yield from form_fields(each)

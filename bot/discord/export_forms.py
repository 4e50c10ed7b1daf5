"""The reply to an export, and the two forms in which its details can be changed. Custom ids carry what was exported,
and what is sent in is read from the interaction itself, so all of it works after a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import discord
from discord import ui

from bot.discord.colours import INFORMATION
from bot.export.details import RATINGS, SUMMARY_MAX, TITLE_MAX, WARNINGS, Details
from bot.export.files import Format
from bot.text.length import shorten
from bot.text.safety import for_embed, for_title
from bot.words import Words

_CUSTOM_ID = re.compile(
    r"ff-export:(?P<kind>about|tags):(?P<format>[a-z0-9]+):(?P<answer>[0-9]{1,18}):(?P<talk>[01])"
)
_OPEN_SECONDS = 900.0
_TAGS_MAX = 1500
# Discord's limits.
_FORM_TITLE, _LABEL, _DESCRIPTION, _FIELD = 45, 45, 100, 1024


@dataclass(frozen=True)
class Ticket:
    """What was exported, as a custom id can carry it."""

    format: Format
    answer_id: int
    with_talk: bool

    def custom_id(self, kind: str) -> str:
        """The custom id of the button for a form, and of the form itself."""
        return f"ff-export:{kind}:{self.format}:{self.answer_id}:{self.with_talk:d}"


@dataclass(frozen=True)
class Pressed:
    """A button of ours was pressed, or (with `values`) its form was sent in."""

    kind: str
    ticket: Ticket
    values: dict[str, Any] | None


def read_interaction(interaction: discord.Interaction) -> Pressed | None:
    """What was pressed or sent in; None where the interaction is none of ours."""
    data = cast("Mapping[str, Any]", interaction.data or {})
    match = _CUSTOM_ID.fullmatch(str(data.get("custom_id", "")))
    if match is None or match["format"] not in list(Format):
        return None
    ticket = Ticket(Format(match["format"]), int(match["answer"]), match["talk"] == "1")
    if interaction.type is discord.InteractionType.component:
        return Pressed(match["kind"], ticket, None)
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    values = {
        str(field["custom_id"]): list(field["values"]) if "values" in field else str(field.get("value") or "")
        for field in _fields(data)
        if "custom_id" in field and ("value" in field or "values" in field)
    }
    return Pressed(match["kind"], ticket, values)


def _fields(component: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A form's components, however they are nested."""
    for each in (*component.get("components", ()), *filter(None, (component.get("component"),))):
        yield each
        yield from _fields(each)


def buttons(ticket: Ticket, words: Words) -> ui.View:
    """The buttons under an export."""
    view = ui.View(timeout=None)
    for kind, label in (("about", words.say("Title and summary")), ("tags", words.say("Rating and tags"))):
        view.add_item(ui.Button(custom_id=ticket.custom_id(kind), label=label, emoji="✏️"))
    return view


def form(kind: str, ticket: Ticket, details: Details, words: Words) -> ui.Modal:
    """The form for one half of the details, filled in as they are."""
    title = words.say("Title and summary") if kind == "about" else words.say("Rating and tags")
    modal = ui.Modal(
        title=shorten(title, _FORM_TITLE), custom_id=ticket.custom_id(kind), timeout=_OPEN_SECONDS
    )
    for item in _about(details, words) if kind == "about" else _tags(details, words):
        modal.add_item(item)
    return modal


def _about(details: Details, words: Words) -> list[ui.Label[Any]]:
    commas = words.say("Separated by commas")
    return [
        _text("title", words.say("Title"), details.title, TITLE_MAX, required=True),
        _text(
            "fandoms", words.say("Fandoms"), ", ".join(details.fandoms), _TAGS_MAX, required=True, hint=commas
        ),
        _text("summary", words.say("Summary"), details.summary, SUMMARY_MAX, long=True),
    ]


def _tags(details: Details, words: Words) -> list[ui.Label[Any]]:
    commas = words.say("Separated by commas")
    return [
        _choice("rating", words.say("Rating"), RATINGS, (details.rating,), most=1),
        _choice("warnings", words.say("Warnings"), WARNINGS, details.warnings, most=len(WARNINGS)),
        _text(
            "relationships",
            words.say("Relationships"),
            ", ".join(details.relationships),
            _TAGS_MAX,
            hint=commas,
        ),
        _text("characters", words.say("Characters"), ", ".join(details.characters), _TAGS_MAX, hint=commas),
        _text("tags", words.say("More tags"), ", ".join(details.tags), _TAGS_MAX, long=True, hint=commas),
    ]


def _text(
    name: str,
    label: str,
    value: str,
    most: int,
    *,
    required: bool = False,
    long: bool = False,
    hint: str | None = None,
) -> ui.Label[Any]:
    style = discord.TextStyle.paragraph if long else discord.TextStyle.short
    return ui.Label(
        text=shorten(label, _LABEL),
        description=shorten(hint, _DESCRIPTION) if hint else None,
        component=ui.TextInput(
            custom_id=name,
            style=style,
            default=shorten(value, most) or None,
            required=required,
            max_length=most,
        ),
    )


def _choice(name: str, label: str, options: Sequence[str], chosen: Sequence[str], most: int) -> ui.Label[Any]:
    # The Archive's own words, which it has in English alone.
    offered = [discord.SelectOption(label=each, value=each, default=each in chosen) for each in options]
    return ui.Label(
        text=shorten(label, _LABEL),
        component=ui.Select(custom_id=name, options=offered, min_values=1, max_values=most, required=True),
    )


def details_embed(details: Details, words: Words) -> discord.Embed:
    """What the export says about the work."""
    embed = discord.Embed(
        title=for_title(details.title, 250) or None,
        description=for_embed(details.summary, 1500) or None,
        colour=INFORMATION,
    )
    rows = [
        (words.say("Fandoms"), details.fandoms),
        (words.say("Rating"), (details.rating,)),
        (words.say("Warnings"), details.warnings),
        (words.say("Relationships"), details.relationships),
        (words.say("Characters"), details.characters),
        (words.say("More tags"), details.tags),
    ]
    for name, values in rows:
        if values:
            embed.add_field(name=name, value=for_embed(", ".join(values), _FIELD) or "…", inline=False)
    return embed

"""What an archive wants to know about a work: title, fandoms, rating, warnings, tags and summary, in the words and
within the limits of the Archive of Our Own (its `config.yml`; a tag's length is its form's)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import regex

from bot.database.tables import Rating
from bot.text.cleaning import clean, without_direction

TITLE_MAX = 255
SUMMARY_MAX = 1250
TAG_MAX = 150
TAGS_MAX = 75
"""Fandoms, relationships, characters and additional tags together."""

RATINGS = ("Not Rated", "General Audiences", "Teen And Up Audiences", "Mature", "Explicit")
WARNINGS = (
    "Creator Chose Not To Use Archive Warnings",
    "No Archive Warnings Apply",
    "Graphic Depictions Of Violence",
    "Major Character Death",
    "Rape/Non-Con",
    "Underage Sex",
)
NO_WARNINGS_CHOSEN = WARNINGS[0]
ORIGINAL_WORK = "Original Work"
MADE_WITH_AI = "Created Using Generative AI"
"""The Archive's own tag for it."""
RATING_OF = {Rating.GENERAL: RATINGS[1], Rating.TEEN: RATINGS[2], Rating.MATURE: RATINGS[3]}

_SEPARATOR = regex.compile(r"[,，、،;；\n]+")
# The rest must be something.
_OPTIONAL = frozenset({"relationships", "characters", "tags", "summary"})
_TAG_LISTS = ("fandoms", "relationships", "characters", "tags")


@dataclass(frozen=True)
class Details:
    """About a work. `rating` is one of `RATINGS`, `warnings` are some of `WARNINGS`; the lists hold tags without
    commas. `with_values` sees to all of that and to the limits."""

    title: str
    fandoms: tuple[str, ...] = (ORIGINAL_WORK,)
    rating: str = RATINGS[0]
    warnings: tuple[str, ...] = (NO_WARNINGS_CHOSEN,)
    relationships: tuple[str, ...] = ()
    characters: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    summary: str = ""

    def with_values(self, values: Mapping[str, Any]) -> Details:
        """These details with the values that make sense; names that are no field are passed over."""
        known = {each.name for each in fields(self)}
        checked = {name: _checked(name, value) for name, value in values.items() if name in known}
        kept = {name: value for name, value in checked.items() if value or name in _OPTIONAL}
        return _within_tag_limit(replace(self, **kept))

    def changed_from(self, other: Details) -> dict[str, Any]:
        """The fields that differ from another's, in JSON's types."""
        mine, theirs = asdict(self), asdict(other)
        return {name: _plain(value) for name, value in mine.items() if value != theirs[name]}

    def as_json(self) -> dict[str, Any]:
        """All fields, in JSON's types."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def listed(text: str) -> tuple[str, ...]:
    """Tags that stand in a text, separated by any of the world's commas or by lines."""
    return unique(_line(each) for each in _SEPARATOR.split(text))


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that are not empty nor too long, each once, whatever its case."""
    found: dict[str, str] = {}
    for tag in tags:
        if 0 < len(tag) <= TAG_MAX:
            found.setdefault(tag.casefold(), tag)
    return tuple(found.values())


def _checked(name: str, value: Any) -> Any:
    items = [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
    if name == "title":
        return _line(" ".join(items))[:TITLE_MAX].rstrip()
    if name == "summary":
        return clean("\n".join(items)).strip()[:SUMMARY_MAX].rstrip()
    if name == "rating":
        said = {each.strip().casefold() for each in items}
        return next((each for each in RATINGS if each.casefold() in said), "")
    if name == "warnings":
        return tuple(each for each in WARNINGS if each in items)
    return unique(tag for item in items for tag in listed(item))


def _within_tag_limit(details: Details) -> Details:
    """With no more tags than a work may have; those of the later fields go first."""
    left = TAGS_MAX
    kept: dict[str, Any] = {}
    for name in _TAG_LISTS:
        kept[name] = getattr(details, name)[:left]
        left -= len(kept[name])
    return replace(details, **kept)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _line(text: str) -> str:
    return " ".join(without_direction(clean(text)).split())

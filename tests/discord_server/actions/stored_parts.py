"""Embeds and components as Discord keeps them: only known fields, with what it fills in itself."""

from __future__ import annotations

from itertools import count
from typing import Any

from ..errors import Json

_EMBED_FIELDS = (
    "title",
    "description",
    "url",
    "timestamp",
    "color",
    "footer",
    "image",
    "thumbnail",
    "author",
    "fields",
)


def stored_embeds(embeds: object) -> list[Json]:
    """Every embed from an app is `rich`, whatever it says (Create Message, "Limitations")."""
    if not isinstance(embeds, list):
        return []
    return [{"type": "rich", **{key: e[key] for key in _EMBED_FIELDS if e.get(key)}} for e in embeds]


def stored_components(components: object) -> list[Json]:
    """Components with an `id` each, given in order where the app gave none ("Anatomy of a Component")."""
    if not isinstance(components, list):
        return []
    numbers = count(1)
    return [_numbered(component, numbers) for component in components]


def _numbered(component: Json, numbers: count[int]) -> Json:
    own: Json = {**component, "id": component.get("id") or next(numbers)}
    for key in ("components", "component", "accessory"):
        inner: Any = component.get(key)
        if isinstance(inner, list):
            own[key] = [_numbered(item, numbers) for item in inner]
        elif isinstance(inner, dict):
            own[key] = _numbered(inner, numbers)
    return own

"""Filling in a modal as Discord's client does, and what it sends of it."""

from __future__ import annotations

from typing import Any

from ..errors import ClientRefusedError, Json
from ..rules.component_form import ComponentType

_WITH_VALUES = frozenset({3, 5, 6, 7, 8, 19, 22})


def modal_components(modal: Json, values: Json) -> list[Json]:
    """The `components` of a MODAL_SUBMIT. Values are named by custom id or by label.

    Raises ClientRefusedError for a missing required field, a text of wrong length, or an unknown name.
    """
    left = dict(values)
    components = [_filled(component, left) for component in modal["components"]]
    if left:
        raise ClientRefusedError(f"the modal has no field {sorted(left)}")
    return components


def _filled(component: Json, left: Json) -> Json:
    kind = component["type"]
    if kind == ComponentType.ACTION_ROW:
        inner = [_field(item, item.get("label"), left) for item in component["components"]]
        return {"type": kind, "components": inner}
    if kind == ComponentType.LABEL:
        return {"type": kind, "component": _field(component["component"], component.get("label"), left)}
    return {"type": kind}


def _field(field: Json, label: str | None, left: Json) -> Json:
    custom_id = field["custom_id"]
    key = custom_id if custom_id in left else label
    given: Any = left.pop(key, None) if key is not None else None
    kind = field["type"]
    filled: Json = {"type": kind, "custom_id": custom_id, "id": field.get("id", 0)}
    if kind in _WITH_VALUES:
        filled["values"] = list(given or [])
    elif kind == ComponentType.TEXT_INPUT:
        filled["value"] = _text(field, field.get("value", "") if given is None else str(given))
    else:
        filled["value"] = given
    return filled


def _text(field: Json, text: str) -> str:
    required = field.get("required", True)
    low = field.get("min_length") or (1 if required else 0)
    high = field.get("max_length") or 4000
    if (text or required) and not low <= len(text) <= high:
        name = field.get("label") or field["custom_id"]
        raise ClientRefusedError(f"{name!r} takes {low} to {high} characters, not {len(text)}")
    return text

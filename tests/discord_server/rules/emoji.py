"""Which strings are emoji: standard ones by their Unicode character classes, custom ones as `name:id`."""

from __future__ import annotations

import re
import unicodedata

from ..errors import UNKNOWN_EMOJI, Json

_CUSTOM = re.compile(r"(?:a:)?(\w{2,32}):(\d{15,20})")
_EXTRA_SYMBOLS = frozenset("‼⁉↔↕⤴⤵〰〽㊗㊙\u20e3")


def parse(text: str) -> Json:
    """A partial emoji object. Raises 10014 Unknown Emoji."""
    custom = _CUSTOM.fullmatch(text)
    if custom:
        return {"id": custom[2], "name": custom[1]}
    if not is_standard(text):
        raise UNKNOWN_EMOJI.error()
    return {"id": None, "name": text}


def is_standard(text: str) -> bool:
    """Whether the text can be one standard emoji; sequences joined to one picture count as one."""
    if not text or len(text) > 16:
        return False
    if any(character.isalpha() or character.isspace() for character in text):
        return False
    return any(unicodedata.category(c) == "So" or c in _EXTRA_SYMBOLS for c in text)


def key(emoji: Json) -> str:
    """What tells reactions apart: the character, or name and id of a custom emoji."""
    return f"{emoji['name']}:{emoji['id']}" if emoji.get("id") else str(emoji["name"])

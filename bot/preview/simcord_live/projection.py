"""Makes simcord's pages cheap enough to be shown anew ten times a second. It parses the Markdown of a channel's
whole history, twice, each time: half a second for fifty messages, a fiftieth of one with this."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from simcord.preview import _component_projection, _messages, _queries, _snapshot
from simcord.preview._markdown import markdown_tokens

REMEMBERED = 4096  # texts
# On Discord, mentions of people, channels and commands, and small print, show in these as they do in a message; simcord
# shows what was typed.
_AS_IN_MESSAGES = {"embed_description": "message", "embed_field_value": "message"}

Tokens = list[dict[str, Any]]


@lru_cache(maxsize=REMEMBERED)
def _parsed(value: Any, profile: str, context: str) -> Tokens:
    return markdown_tokens(value, profile, context=json.loads(context))


def remembered_tokens(
    value: Any, profile: str = "message", *, context: Mapping[str, Any] | None = None
) -> Tokens:
    """simcord's `markdown_tokens`, from memory where the text was parsed before, and for embeds as Discord has it."""
    return deepcopy(_parsed(value, _AS_IN_MESSAGES.get(profile, profile), json.dumps(context or {})))


def speed_up(is_live: Callable[[Any], bool]) -> None:
    """Remember what was parsed, and leave the list of messages, which live pages hide, empty for them.

    Changes simcord's modules for this process, once; nothing but the time it takes, and mentions in embeds, are another
    then. Where simcord has these functions no more, pages stay slow.
    """
    for module in (_snapshot, _messages, _queries, _component_projection):
        if vars(module).get("markdown_tokens") is markdown_tokens:
            vars(module)["markdown_tokens"] = remembered_tokens
    listing = vars(_snapshot).get("_message_navigation")
    if listing is None or hasattr(listing, "__wrapped__"):
        return

    def unlisted(preview: Any, page: Any, visible: list[Any]) -> Any:
        return listing(preview, page, [] if is_live(preview) else visible)

    unlisted.__wrapped__ = listing  # type: ignore[attr-defined]
    vars(_snapshot)["_message_navigation"] = unlisted

"""Whom a message pings: what its text mentions, less what `allowed_mentions` and permissions forbid.

Message Resource, "Allowed Mentions Object".
"""

from __future__ import annotations

import re

from ..errors import Json
from ..state.message_records import Mentions
from ..state.records import Guild
from .component_form import ComponentType, flatten
from .forms import Form, Path

_USER = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_EVERYONE = re.compile(r"@(?:everyone|here)")

REGULAR_DEFAULT: Json = {"parse": ["users", "roles", "everyone"], "replied_user": True}
WEBHOOK_DEFAULT: Json = {"parse": ["users"], "replied_user": True}


def check_allowed_mentions(form: Form, path: Path, value: object) -> None:
    """`parse` and a list of the same kind exclude each other; at most 100 ids of each kind."""
    if value is None:
        return
    if not isinstance(value, dict):
        form.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return
    parse = value.get("parse") or []
    for index, kind in enumerate(parse):
        form.choice([*path, "parse", index], kind, ("users", "roles", "everyone"))
    for kind in ("users", "roles"):
        ids = value.get(kind) or []
        form.length([*path, kind], ids, 100)
        for index, entry in enumerate(ids):
            form.snowflake([*path, kind, index], entry)
        if ids and kind in parse:
            text = f"parse:{kind!r} and {kind}: [ids...] are mutually exclusive."
            form.add(path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text)


def resolve(
    content: str,
    components: list[Json],
    allowed: Json,
    *,
    guild: Guild | None,
    known_users: set[int],
    may_ping_everyone: bool,
    replied_to: int | None = None,
) -> Mentions:
    """The pings of a text. Users must be known, roles mentionable or the author allowed to ping everyone."""
    shown = [str(c["content"]) for c in flatten(components) if c.get("type") == ComponentType.TEXT_DISPLAY]
    text = "\n".join([content, *shown])
    users = [
        user_id
        for user_id in _ids(_USER, text)
        if user_id in known_users and _allows(allowed, "users", user_id)
    ]
    if replied_to is not None and allowed.get("replied_user") and replied_to not in users:
        users.append(replied_to)
    roles = [
        role_id
        for role_id in _ids(_ROLE, text)
        if guild is not None
        and role_id in guild.roles
        and (guild.roles[role_id].mentionable or may_ping_everyone)
        and _allows(allowed, "roles", role_id)
    ]
    everyone = may_ping_everyone and bool(_EVERYONE.search(text)) and "everyone" in allowed.get("parse", ())
    return Mentions(users, roles, everyone)


def _ids(pattern: re.Pattern[str], text: str) -> list[int]:
    return list(dict.fromkeys(int(found) for found in pattern.findall(text)))


def _allows(allowed: Json, kind: str, entity_id: int) -> bool:
    listed = allowed.get(kind) or []
    return kind in (allowed.get("parse") or ()) or str(entity_id) in {str(entry) for entry in listed}

"""What an embed may hold (Message Resource, "Embed Limits")."""

from __future__ import annotations

import datetime

from ..errors import Json
from .forms import Form, Path

TOTAL_LIMIT = 6000
EMBEDS_PER_MESSAGE = 10

_MEANINGFUL = ("title", "description", "fields", "image", "thumbnail", "footer", "author")
_MEDIA_SCHEMES = ("http", "https", "attachment")


def check_embeds(form: Form, path: Path, value: object) -> None:
    """Lengths of each part, URLs, and 6000 characters over all embeds of the message."""
    embeds = form.objects(path, value, EMBEDS_PER_MESSAGE)
    total = 0
    for index, embed in enumerate(embeds):
        here = [*path, index]
        _check_embed(form, here, embed)
        total += embed_size(embed)
        if total > TOTAL_LIMIT:
            form.add(here, "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {TOTAL_LIMIT}")


def embed_size(embed: Json) -> int:
    """Characters that count towards the 6000."""
    fields = [f for f in embed.get("fields") or [] if isinstance(f, dict)]
    texts = [
        embed.get("title"),
        embed.get("description"),
        (embed.get("footer") or {}).get("text"),
        (embed.get("author") or {}).get("name"),
        *(field.get("name") for field in fields),
        *(field.get("value") for field in fields),
    ]
    return sum(len(text) for text in texts if isinstance(text, str))


def _check_embed(form: Form, path: Path, embed: Json) -> None:
    if not any(embed.get(key) for key in _MEANINGFUL):
        form.add([*path, "description"], "BASE_TYPE_REQUIRED", "This field is required")
    form.text([*path, "title"], embed.get("title"), 256)
    form.text([*path, "description"], embed.get("description"), 4096)
    form.url([*path, "url"], embed.get("url"))
    form.whole([*path, "color"], embed.get("color"), 0, 0xFFFFFF)
    _check_timestamp(form, [*path, "timestamp"], embed.get("timestamp"))
    for index, field in enumerate(form.objects([*path, "fields"], embed.get("fields"), 25)):
        here = [*path, "fields", index]
        form.text([*here, "name"], field.get("name"), 256, 1, required=True)
        form.text([*here, "value"], field.get("value"), 1024, 1, required=True)
    footer = embed.get("footer")
    if isinstance(footer, dict):
        form.text([*path, "footer", "text"], footer.get("text"), 2048, 1, required=True)
        form.url([*path, "footer", "icon_url"], footer.get("icon_url"), _MEDIA_SCHEMES)
    author = embed.get("author")
    if isinstance(author, dict):
        form.text([*path, "author", "name"], author.get("name"), 256, 1, required=True)
        form.url([*path, "author", "url"], author.get("url"))
        form.url([*path, "author", "icon_url"], author.get("icon_url"), _MEDIA_SCHEMES)
    for key in ("image", "thumbnail"):
        if isinstance(embed.get(key), dict):
            form.url([*path, key, "url"], embed[key].get("url"), _MEDIA_SCHEMES)


def _check_timestamp(form: Form, path: Path, value: object) -> None:
    if value is None:
        return
    try:
        datetime.datetime.fromisoformat(str(value))
    except ValueError:
        form.add(path, "DATE_TIME_TYPE_PARSE", f'Could not parse "{value}". Should be ISO8601.')

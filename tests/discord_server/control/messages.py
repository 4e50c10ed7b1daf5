"""Messages as a test sees them: as they are now, and every version they have had."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Json
from ..rules.component_form import flatten
from .handles import Handle

if TYPE_CHECKING:
    from .people import User
    from .places import Channel


@dataclass(frozen=True)
class Version:
    """A message as it stood from `time` (seconds of the server's clock) on."""

    time: float
    content: str
    embeds: list[Json]
    components: list[Json]
    attachments: list[str]


@dataclass(frozen=True)
class AttachmentView:
    filename: str
    content_type: str | None
    data: bytes
    description: str | None


@dataclass(frozen=True)
class Pings:
    """Who has been notified by any version of a message: user ids, role ids, and @everyone or @here."""

    users: frozenset[int]
    roles: frozenset[int]
    everyone: bool

    def __bool__(self) -> bool:
        return bool(self.users or self.roles or self.everyone)


class Message(Handle):
    kind = "message"

    def _get(self, field: str) -> Any:
        return self._link.call("look.message", message_id=self.id, field=field)

    @property
    def content(self) -> str:
        return str(self._get("content"))

    @property
    def embeds(self) -> list[Json]:
        return list(self._get("embeds"))

    @property
    def components(self) -> list[Json]:
        """Buttons and menus as a flat list, rows left out."""
        return [c for c in flatten(self._get("components")) if c["type"] != 1]

    @property
    def buttons(self) -> dict[str, Json]:
        """Buttons by label, or by emoji where there is no label."""
        found = [c for c in self.components if c["type"] == 2]
        return {str(c.get("label") or (c.get("emoji") or {}).get("name")): c for c in found}

    @property
    def attachments(self) -> list[AttachmentView]:
        return [
            AttachmentView(a["filename"], a["content_type"], _decoded(a["data"]), a["description"])
            for a in self._get("attachments")
        ]

    @property
    def author(self) -> User:
        from .people import User

        return User(self._link, self._get("author_id"))

    @property
    def channel(self) -> Channel:
        from .places import Channel

        return Channel(self._link, self._get("channel_id"))

    @property
    def thread(self) -> Channel | None:
        """The thread that was started on this message."""
        from .places import Channel

        thread = Channel(self._link, self.id)
        return None if thread.deleted else thread

    @property
    def versions(self) -> list[Version]:
        """All versions, the first as it was sent."""
        return [
            Version(v["time"], v["content"], v["embeds"], v["components"], v["attachments"])
            for v in self._get("versions")
        ]

    @property
    def edits(self) -> list[Version]:
        return self.versions[1:]

    @property
    def pings(self) -> Pings:
        """Empty (false) when nobody was ever pinged by it."""
        all_mentions = [version["mentions"] for version in self._get("versions")]
        return Pings(
            frozenset(user for mentions in all_mentions for user in mentions["users"]),
            frozenset(role for mentions in all_mentions for role in mentions["roles"]),
            any(mentions["everyone"] for mentions in all_mentions),
        )

    @property
    def mention_everyone(self) -> bool:
        return bool(self._get("mentions")["everyone"])

    @property
    def mentions(self) -> list[User]:
        from .people import User

        return [User(self._link, user_id) for user_id in self._get("mentions")["users"]]

    @property
    def reactions(self) -> dict[str, list[int]]:
        """Ids of those who reacted, by emoji."""
        return dict(self._get("reactions"))

    @property
    def type(self) -> int:
        return int(self._get("type"))

    @property
    def flags(self) -> int:
        return int(self._get("flags"))

    @property
    def ephemeral(self) -> bool:
        return self._get("visible_to") is not None

    @property
    def loading(self) -> bool:
        """Whether it still says that the bot is thinking."""
        return bool(self.flags & 1 << 7)

    @property
    def nonce(self) -> str | int | None:
        nonce: str | int | None = self._get("nonce")
        return nonce

    @property
    def deleted(self) -> bool:
        return self._get("deleted_at") is not None

    @property
    def pinned(self) -> bool:
        return self._get("pinned_at") is not None

    @property
    def created_at(self) -> float:
        return float(self._get("created_at"))

    @property
    def edited_at(self) -> float | None:
        edited_at: float | None = self._get("edited_at")
        return edited_at

    @property
    def replies_to(self) -> Message | None:
        reference = self._get("reference")
        if reference is None or reference["message_id"] is None:
            return None
        return Message(self._link, reference["message_id"])


def _decoded(text: str) -> bytes:
    # pydantic writes bytes in the URL-safe alphabet.
    return base64.urlsafe_b64decode(text)

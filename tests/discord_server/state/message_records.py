"""What Discord remembers about messages: each with every version it has had, and whom it pinged."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from pydantic import ConfigDict

from ..errors import Json


class MessageType(IntEnum):
    DEFAULT = 0
    CHANNEL_NAME_CHANGE = 4
    CHANNEL_PINNED_MESSAGE = 6
    THREAD_CREATED = 18
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    THREAD_STARTER_MESSAGE = 21
    CONTEXT_MENU_COMMAND = 23


# Types that people and bots write themselves; the rest are system messages, which nobody edits.
WRITTEN_TYPES = frozenset(
    {
        MessageType.DEFAULT,
        MessageType.REPLY,
        MessageType.CHAT_INPUT_COMMAND,
        MessageType.CONTEXT_MENU_COMMAND,
    }
)


class MessageFlag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    IS_COMPONENTS_V2 = 1 << 15


@dataclass
class Attachment:
    id: int
    filename: str
    content_type: str | None
    data: bytes
    description: str | None = None
    ephemeral: bool = False

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


@dataclass
class Mentions:
    """Who is notified by a message: what it mentions, less what `allowed_mentions` and permissions forbid."""

    users: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    everyone: bool = False


@dataclass
class Version:
    """A message as it stood from `time` on."""

    time: float
    content: str
    embeds: list[Json]
    components: list[Json]
    attachments: list[str]
    mentions: Mentions


@dataclass
class Reference:
    channel_id: int
    message_id: int | None
    guild_id: int | None


@dataclass
class Message:
    id: int
    channel_id: int
    author_id: int
    created_at: float
    type: MessageType = MessageType.DEFAULT
    guild_id: int | None = None
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    edited_at: float | None = None
    nonce: str | int | None = None
    tts: bool = False
    mentions: Mentions = field(default_factory=Mentions)
    reactions: dict[str, list[int]] = field(default_factory=dict)
    pinned_at: float | None = None
    reference: Reference | None = None
    position: int = 0
    interaction_id: int | None = None
    from_webhook: bool = False
    visible_to: int | None = None
    deleted_at: float | None = None
    versions: list[Version] = field(default_factory=list)

    def remember(self, time: float) -> None:
        """Keep the message as it is now as its newest version."""
        names = [attachment.filename for attachment in self.attachments]
        self.versions.append(
            Version(time, self.content, list(self.embeds), list(self.components), names, self.mentions)
        )

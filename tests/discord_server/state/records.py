"""What Discord remembers about people, guilds and channels, as plain records.

Ids are integers here and strings on the wire; times are seconds since 1970. Records hold no behaviour,
so the whole state can be written to a file and read back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class ChannelType(IntEnum):
    TEXT = 0
    DIRECT_MESSAGE = 1
    VOICE = 2
    CATEGORY = 4
    ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    FORUM = 15


THREAD_TYPES = frozenset(
    {ChannelType.ANNOUNCEMENT_THREAD, ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD}
)
MESSAGE_TYPES = THREAD_TYPES | {
    ChannelType.TEXT,
    ChannelType.DIRECT_MESSAGE,
    ChannelType.VOICE,
    ChannelType.ANNOUNCEMENT,
}


@dataclass
class User:
    id: int
    username: str
    locale: str = "en-US"
    bot: bool = False
    global_name: str | None = None


@dataclass
class Role:
    id: int
    name: str
    permissions: int = 0
    position: int = 1
    mentionable: bool = False
    hoist: bool = False
    color: int = 0
    bot_id: int | None = None


@dataclass
class Member:
    user_id: int
    joined_at: float
    roles: list[int] = field(default_factory=list)
    nick: str | None = None


@dataclass
class Overwrite:
    """Permission bits allowed and denied to one role or member in a channel."""

    target_id: int
    for_member: bool
    allow: int = 0
    deny: int = 0


@dataclass
class ThreadState:
    """What a channel has on top when it is a thread."""

    owner_id: int
    created_at: float
    archive_changed_at: float
    active_at: float
    auto_archive_minutes: int = 1440
    archived: bool = False
    locked: bool = False
    invitable: bool = True
    members: dict[int, float] = field(default_factory=dict)
    message_count: int = 0
    total_message_sent: int = 0


@dataclass
class Channel:
    id: int
    type: ChannelType
    name: str
    guild_id: int | None = None
    parent_id: int | None = None
    topic: str | None = None
    position: int = 0
    nsfw: bool = False
    slowmode: int = 0
    overwrites: list[Overwrite] = field(default_factory=list)
    recipients: list[int] = field(default_factory=list)
    last_message_id: int | None = None
    thread: ThreadState | None = None


@dataclass
class Guild:
    id: int
    name: str
    owner_id: int
    locale: str = "en-US"
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)

"""Permission bits and how they add up in a channel (Topics, "Permissions")."""

from __future__ import annotations

from enum import IntFlag

from ..errors import MISSING_ACCESS, MISSING_PERMISSIONS
from ..state.records import Channel, ChannelType, Guild
from ..state.world import World


class Permission(IntFlag):
    CREATE_INSTANT_INVITE = 1 << 0
    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_AUDIT_LOG = 1 << 7
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    CHANGE_NICKNAME = 1 << 26
    MANAGE_NICKNAMES = 1 << 27
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40
    PIN_MESSAGES = 1 << 51


ALL = (1 << 53) - 1

EVERYONE_DEFAULT = (
    Permission.CREATE_INSTANT_INVITE
    | Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.CONNECT
    | Permission.SPEAK
    | Permission.CHANGE_NICKNAME
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
# With the right to ping everybody, so that a bot which forgets `allowed_mentions` is found out.
BOT_DEFAULT = EVERYONE_DEFAULT | Permission.MENTION_EVERYONE

_DIRECT_MESSAGE = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.ADD_REACTIONS
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.MENTION_EVERYONE
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.PIN_MESSAGES
)


def guild_permissions(guild: Guild, user_id: int) -> int:
    """Bits from `@everyone` and the member's roles. Nothing for those who are not in the guild."""
    member = guild.members.get(user_id)
    if member is None:
        return 0
    if guild.owner_id == user_id:
        return ALL
    bits = guild.roles[guild.id].permissions
    for role_id in member.roles:
        bits |= guild.roles[role_id].permissions
    return ALL if bits & Permission.ADMINISTRATOR else bits


def channel_permissions(world: World, channel: Channel, user_id: int) -> int:
    """What the user may do in the channel, overwrites and implied denials included."""
    if channel.guild_id is None:
        return _DIRECT_MESSAGE if user_id in channel.recipients else 0
    guild = world.guild(channel.guild_id)
    bits = guild_permissions(guild, user_id)
    if bits == ALL or user_id not in guild.members:
        return bits
    # "Threads generally inherit permissions from the parent channel" (Topics, "Threads").
    home = world.channel(channel.parent_id) if channel.thread and channel.parent_id else channel
    bits = _with_overwrites(home, guild, user_id, bits)
    if not bits & Permission.VIEW_CHANNEL:
        return 0
    sending = Permission.SEND_MESSAGES_IN_THREADS if channel.thread else Permission.SEND_MESSAGES
    if not bits & sending:
        bits &= ~(
            Permission.MENTION_EVERYONE
            | Permission.SEND_TTS_MESSAGES
            | Permission.ATTACH_FILES
            | Permission.EMBED_LINKS
        )
    if _outside_private_thread(channel, user_id, bits):
        return 0
    return bits


def _with_overwrites(channel: Channel, guild: Guild, user_id: int, bits: int) -> int:
    roles = guild.members[user_id].roles
    everyone = [o for o in channel.overwrites if not o.for_member and o.target_id == guild.id]
    by_role = [o for o in channel.overwrites if not o.for_member and o.target_id in roles]
    own = [o for o in channel.overwrites if o.for_member and o.target_id == user_id]
    for group in (everyone, by_role, own):
        for overwrite in group:
            bits &= ~overwrite.deny
        for overwrite in group:
            bits |= overwrite.allow
    return bits


def _outside_private_thread(channel: Channel, user_id: int, bits: int) -> bool:
    return (
        channel.type is ChannelType.PRIVATE_THREAD
        and channel.thread is not None
        and user_id not in channel.thread.members
        and not bits & Permission.MANAGE_THREADS
    )


def require(world: World, channel: Channel, user_id: int, needed: int) -> int:
    """The user's bits in the channel. Raises 50001 where it is out of sight, 50013 where a bit is missing."""
    bits = channel_permissions(world, channel, user_id)
    if not bits & Permission.VIEW_CHANNEL:
        raise MISSING_ACCESS.error()
    if bits & needed != needed:
        raise MISSING_PERMISSIONS.error()
    return bits


def can_see(world: World, channel: Channel, user_id: int) -> bool:
    return bool(channel_permissions(world, channel, user_id) & Permission.VIEW_CHANNEL)

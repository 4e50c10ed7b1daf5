"""Channels and threads as JSON (Resources, "Channel")."""

from __future__ import annotations

from ..clock import isoformat
from ..errors import Json
from ..rules.permissions import channel_permissions
from ..state.records import Channel, ChannelType, ThreadState
from ..state.world import World


def channel_payload(channel: Channel) -> Json:
    """A channel that is neither a thread nor a direct message."""
    payload: Json = {
        "id": str(channel.id),
        "type": int(channel.type),
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "position": channel.position,
        "parent_id": _id(channel.parent_id),
        "topic": channel.topic,
        "nsfw": channel.nsfw,
        "rate_limit_per_user": channel.slowmode,
        "last_message_id": _id(channel.last_message_id),
        "last_pin_timestamp": None,
        "flags": 0,
        "permission_overwrites": [
            {
                "id": str(overwrite.target_id),
                "type": int(overwrite.for_member),
                "allow": str(overwrite.allow),
                "deny": str(overwrite.deny),
            }
            for overwrite in channel.overwrites
        ],
    }
    if channel.type is ChannelType.FORUM:
        payload |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
        payload |= {"default_forum_layout": 0, "default_thread_rate_limit_per_user": 0}
    if channel.type is ChannelType.VOICE:
        payload |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
    return payload


def thread_payload(channel: Channel, member_id: int | None = None) -> Json:
    """A thread; with the `member` object of this user where they have joined it."""
    thread = channel.thread
    assert thread is not None
    metadata: Json = {
        "archived": thread.archived,
        "auto_archive_duration": thread.auto_archive_minutes,
        "archive_timestamp": isoformat(thread.archive_changed_at),
        "locked": thread.locked,
        "create_timestamp": isoformat(thread.created_at),
    }
    if channel.type is ChannelType.PRIVATE_THREAD:
        metadata["invitable"] = thread.invitable
    payload: Json = {
        "id": str(channel.id),
        "type": int(channel.type),
        "guild_id": str(channel.guild_id),
        "parent_id": _id(channel.parent_id),
        "owner_id": str(thread.owner_id),
        "name": channel.name,
        "last_message_id": _id(channel.last_message_id),
        "message_count": thread.message_count,
        "total_message_sent": thread.total_message_sent,
        "member_count": min(len(thread.members), 50),
        "rate_limit_per_user": channel.slowmode,
        "flags": 0,
        "thread_metadata": metadata,
    }
    if member_id in thread.members:
        payload["member"] = thread_member_payload(channel.id, member_id, thread)
    return payload


def thread_member_payload(thread_id: int, user_id: int, thread: ThreadState) -> Json:
    return {
        "id": str(thread_id),
        "user_id": str(user_id),
        "join_timestamp": isoformat(thread.members[user_id]),
        "flags": 0,
    }


def direct_message_payload(world: World, channel: Channel) -> Json:
    # Imported here: users, guilds and channels describe one another.
    from .people import user_payload

    others = [user_id for user_id in channel.recipients if user_id != world.bot.id]
    return {
        "id": str(channel.id),
        "type": int(channel.type),
        "last_message_id": _id(channel.last_message_id),
        "flags": 0,
        "recipients": [user_payload(world.user(user_id)) for user_id in others],
    }


def any_channel_payload(world: World, channel: Channel) -> Json:
    """Whatever kind it is, as `GET /channels/{id}` answers it."""
    if channel.thread is not None:
        return thread_payload(channel, world.bot.id)
    if channel.guild_id is None:
        return direct_message_payload(world, channel)
    return channel_payload(channel)


def partial_channel_payload(world: World, channel: Channel, user_id: int) -> Json:
    """A channel as interactions carry it: with the permissions of the member."""
    payload = any_channel_payload(world, channel)
    payload.pop("permission_overwrites", None)
    payload["permissions"] = str(int(channel_permissions(world, channel, user_id)))
    return payload


def _id(value: int | None) -> str | None:
    return None if value is None else str(value)

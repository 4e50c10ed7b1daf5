"""Reactions, pins and typing: small things done to a message or a channel."""

from __future__ import annotations

from ..clock import isoformat
from ..errors import MAXIMUM_PINS, MAXIMUM_REACTIONS, Json
from ..payloads.people import member_payload
from ..rules import emoji as emojis
from ..rules.permissions import Permission, require
from ..state.message_records import Message, MessageType, Reference
from ..state.records import Channel
from ..state.world import Event, World
from .message_actions import MessageActions
from .thread_activity import ThreadActivity

REACTION_KINDS = 20
PIN_LIMIT = 250


class ReactionActions:
    def __init__(self, world: World, messages: MessageActions, activity: ThreadActivity) -> None:
        self._world = world
        self._messages = messages
        self._activity = activity

    def add(self, user_id: int, channel_id: int, message_id: int, text: str) -> None:
        channel, message, emoji = self._find(user_id, channel_id, message_id, text)
        key = emojis.key(emoji)
        users = message.reactions.get(key)
        needed = Permission.READ_MESSAGE_HISTORY
        if users is None:
            needed |= Permission.ADD_REACTIONS
        require(self._world, channel, user_id, needed)
        self._activity.require_open(channel, user_id)
        if users is None and len(message.reactions) >= REACTION_KINDS:
            raise MAXIMUM_REACTIONS.error()
        if users is None:
            users = message.reactions[key] = []
        if user_id not in users:
            users.append(user_id)
            extra: Json = {"message_author_id": str(message.author_id)}
            if channel.guild_id is not None:
                guild = self._world.guild(channel.guild_id)
                extra["member"] = member_payload(self._world, guild, guild.members[user_id])
            self._tell("MESSAGE_REACTION_ADD", message, user_id, emoji, extra)

    def remove(self, actor_id: int, user_id: int, channel_id: int, message_id: int, text: str) -> None:
        channel, message, emoji = self._find(actor_id, channel_id, message_id, text)
        require(self._world, channel, actor_id, 0 if actor_id == user_id else Permission.MANAGE_MESSAGES)
        self._activity.require_open(channel, actor_id)
        key = emojis.key(emoji)
        users = message.reactions.get(key, [])
        if user_id in users:
            users.remove(user_id)
            if not users:
                del message.reactions[key]
            self._tell("MESSAGE_REACTION_REMOVE", message, user_id, emoji, {})

    def clear(self, actor_id: int, channel_id: int, message_id: int, text: str | None = None) -> None:
        """All reactions of a message, or all with one emoji."""
        channel = self._world.channel(channel_id)
        message = self._world.message(channel_id, message_id)
        require(self._world, channel, actor_id, Permission.MANAGE_MESSAGES)
        self._activity.require_open(channel, actor_id)
        data: Json = {"channel_id": str(channel_id), "message_id": str(message_id)}
        event = "MESSAGE_REACTION_REMOVE_ALL"
        if text is None:
            message.reactions.clear()
        else:
            emoji = emojis.parse(text)
            message.reactions.pop(emojis.key(emoji), None)
            event, data["emoji"] = "MESSAGE_REACTION_REMOVE_EMOJI", emoji
        self._emit(event, channel, data)

    def pin(self, user_id: int, channel_id: int, message_id: int) -> None:
        channel = self._world.channel(channel_id)
        message = self._world.message(channel_id, message_id)
        require(self._world, channel, user_id, Permission.PIN_MESSAGES)
        self._activity.require_open(channel, user_id)
        if message.pinned_at is not None:
            return
        if len(self.pinned(channel_id)) >= PIN_LIMIT:
            raise MAXIMUM_PINS.error()
        message.pinned_at = self._world.clock.now()
        self._pins_changed(channel, message)
        reference = Reference(channel_id, message_id, channel.guild_id)
        self._messages.system(channel, user_id, MessageType.CHANNEL_PINNED_MESSAGE, "", reference)

    def unpin(self, user_id: int, channel_id: int, message_id: int) -> None:
        channel = self._world.channel(channel_id)
        message = self._world.message(channel_id, message_id)
        require(self._world, channel, user_id, Permission.PIN_MESSAGES)
        self._activity.require_open(channel, user_id)
        if message.pinned_at is not None:
            message.pinned_at = None
            self._pins_changed(channel, message)

    def pinned(self, channel_id: int) -> list[Message]:
        """Pinned messages, the newest pin first."""
        found = [m for m in self._world.channel_messages(channel_id) if m.pinned_at is not None]
        return sorted(found, key=lambda message: message.pinned_at or 0, reverse=True)

    def typing(self, user_id: int, channel_id: int) -> None:
        channel = self._world.channel(channel_id)
        sending = Permission.SEND_MESSAGES_IN_THREADS if channel.thread else Permission.SEND_MESSAGES
        require(self._world, channel, user_id, sending)
        now = int(self._world.clock.now())
        data: Json = {"channel_id": str(channel_id), "user_id": str(user_id), "timestamp": now}
        if channel.guild_id is not None:
            guild = self._world.guild(channel.guild_id)
            data["member"] = member_payload(self._world, guild, guild.members[user_id])
        self._emit("TYPING_START", channel, data)

    def _find(
        self, user_id: int, channel_id: int, message_id: int, text: str
    ) -> tuple[Channel, Message, Json]:
        channel = self._world.channel(channel_id)
        require(self._world, channel, user_id, 0)
        return channel, self._world.message(channel_id, message_id), emojis.parse(text)

    def _tell(self, event: str, message: Message, user_id: int, emoji: Json, extra: Json) -> None:
        data = {
            "user_id": str(user_id),
            "channel_id": str(message.channel_id),
            "message_id": str(message.id),
            "emoji": emoji,
            "burst": False,
            "type": 0,
            **extra,
        }
        self._emit(event, self._world.channel(message.channel_id), data)

    def _pins_changed(self, channel: Channel, message: Message) -> None:
        pins = self.pinned(channel.id)
        newest = isoformat(pins[0].pinned_at) if pins and pins[0].pinned_at else None
        data: Json = {"channel_id": str(channel.id), "last_pin_timestamp": newest}
        self._emit("CHANNEL_PINS_UPDATE", channel, data)
        self._messages.announce_update(message)

    def _emit(self, event: str, channel: Channel, data: Json) -> None:
        if channel.guild_id is not None:
            data["guild_id"] = str(channel.guild_id)
        self._world.emit(Event(event, data, channel.guild_id, channel.id))

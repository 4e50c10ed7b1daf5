"""Sending, editing and deleting messages, by members, by the bot and by its interactions."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import (
    AUTHORED_BY_ANOTHER,
    MISSING_PERMISSIONS,
    NON_TEXT_CHANNEL,
    REPLY_NEEDS_HISTORY,
    SYSTEM_MESSAGE,
    Json,
)
from ..payloads.messages import MessagePayloads
from ..rules.forms import Form
from ..rules.mentions import REGULAR_DEFAULT, WEBHOOK_DEFAULT, resolve
from ..rules.message_form import Upload, check_message, content_of, require_something
from ..rules.permissions import Permission, channel_permissions, require
from ..state.message_records import (
    WRITTEN_TYPES,
    Mentions,
    Message,
    MessageFlag,
    MessageType,
    Reference,
)
from ..state.records import MESSAGE_TYPES, Channel
from ..state.world import Event, World
from .attachments import keep_attachments, new_attachments
from .stored_parts import stored_components, stored_embeds
from .thread_activity import ThreadActivity

# "checked for uniqueness in the past few minutes" (Create Message, `enforce_nonce`).
NONCE_SECONDS = 300.0
SETTABLE_FLAGS = (
    MessageFlag.SUPPRESS_EMBEDS
    | MessageFlag.SUPPRESS_NOTIFICATIONS
    | MessageFlag.IS_VOICE_MESSAGE
    | MessageFlag.IS_COMPONENTS_V2
)


@dataclass(frozen=True)
class Origin:
    """How a message came about, where it was not simply sent."""

    type: MessageType = MessageType.DEFAULT
    reference: Reference | None = None
    interaction_id: int | None = None
    visible_to: int | None = None
    loading: bool = False


class MessageActions:
    def __init__(self, world: World, payloads: MessagePayloads, threads: ThreadActivity) -> None:
        self._world = world
        self._payloads = payloads
        self._threads = threads

    def send(self, author_id: int, channel_id: int, body: Json, files: list[Upload]) -> Message:
        """Create Message. With `enforce_nonce` a message sent before with the same nonce is returned."""
        channel = self._world.channel(channel_id)
        self._require_may_send(channel, author_id, body, files)
        check_message(body, files)
        require_something(body, files)
        known = self._sent_before(channel_id, author_id, body)
        if known is not None:
            return known
        reference = self._reply_reference(channel, author_id, body.get("message_reference"))
        self._threads.wake(channel, author_id)
        kind = MessageType.REPLY if reference else MessageType.DEFAULT
        return self.create(channel, author_id, body, files, Origin(kind, reference))

    def create(
        self, channel: Channel, author_id: int, body: Json, files: list[Upload], origin: Origin
    ) -> Message:
        """Put a checked message into the channel and tell the gateway, unless it is ephemeral."""
        world = self._world
        message = Message(
            id=world.ids.next(),
            channel_id=channel.id,
            author_id=author_id,
            created_at=world.clock.now(),
            type=origin.type,
            guild_id=channel.guild_id,
            content=content_of(body),
            embeds=stored_embeds(body.get("embeds")),
            components=stored_components(body.get("components")),
            flags=int(body.get("flags") or 0) & SETTABLE_FLAGS,
            nonce=body.get("nonce"),
            tts=bool(body.get("tts")),
            reference=origin.reference,
            interaction_id=origin.interaction_id,
            from_webhook=origin.interaction_id is not None,
            visible_to=origin.visible_to,
        )
        if origin.loading:
            message.flags |= MessageFlag.LOADING
        if origin.visible_to is not None:
            message.flags |= MessageFlag.EPHEMERAL
        ephemeral = origin.visible_to is not None
        message.attachments = new_attachments(world, body, files, ephemeral=ephemeral)
        message.mentions = self._mentions(channel, message, body.get("allowed_mentions"))
        return self._publish(channel, message)

    def system(
        self, channel: Channel, author_id: int, kind: MessageType, content: str, reference: Reference | None
    ) -> Message:
        """A message that Discord writes itself, e.g. that a thread was started."""
        world = self._world
        message = Message(
            id=world.ids.next(),
            channel_id=channel.id,
            author_id=author_id,
            created_at=world.clock.now(),
            type=kind,
            guild_id=channel.guild_id,
            content=content,
            reference=reference,
        )
        return self._publish(channel, message)

    def edit(
        self, editor_id: int, channel_id: int, message_id: int, body: Json, files: list[Upload]
    ) -> Message:
        """Edit Message: own messages whole; of others only the suppression of embeds, with the permission."""
        world = self._world
        channel = world.channel(channel_id)
        bits = require(world, channel, editor_id, 0)
        message = world.message(channel_id, message_id)
        if message.type not in WRITTEN_TYPES:
            raise SYSTEM_MESSAGE.error()
        self._threads.require_open(channel, editor_id)
        if message.author_id != editor_id:
            if set(body) - {"flags"}:
                raise AUTHORED_BY_ANOTHER.error()
            if not bits & Permission.MANAGE_MESSAGES:
                raise MISSING_PERMISSIONS.error()
        return self.change(channel, message, body, files)

    def change(self, channel: Channel, message: Message, body: Json, files: list[Upload]) -> Message:
        """Apply a checked right to edit: the body is validated, the new version kept and sent out."""
        check_message(body, files, flags=message.flags & MessageFlag.IS_COMPONENTS_V2)
        after: Json = {
            "content": body.get("content") if "content" in body else message.content,
            "embeds": body.get("embeds") if "embeds" in body else message.embeds,
            "components": body.get("components") if "components" in body else message.components,
        }
        attachments = keep_attachments(self._world, message, body, files)
        if not attachments:
            require_something(after, [])
        was_loading = bool(message.flags & MessageFlag.LOADING)
        message.content = content_of(after)
        message.embeds = stored_embeds(after["embeds"])
        message.components = stored_components(after["components"])
        message.attachments = attachments
        if isinstance(body.get("flags"), int):
            kept = message.flags & ~MessageFlag.SUPPRESS_EMBEDS
            message.flags = kept | body["flags"] & (
                MessageFlag.SUPPRESS_EMBEDS | MessageFlag.IS_COMPONENTS_V2
            )
        message.flags &= ~MessageFlag.LOADING
        if "content" in body or "components" in body or "allowed_mentions" in body:
            message.mentions = self._mentions(channel, message, body.get("allowed_mentions"))
        now = self._world.clock.now()
        if not was_loading:
            message.edited_at = now
        message.remember(now)
        self._announce("MESSAGE_UPDATE", message)
        return message

    def delete(self, user_id: int, channel_id: int, message_id: int) -> None:
        channel = self._world.channel(channel_id)
        message = self._world.message(channel_id, message_id)
        own = message.author_id == user_id
        require(self._world, channel, user_id, 0 if own else Permission.MANAGE_MESSAGES)
        self.remove(channel, message)

    def remove(self, channel: Channel, message: Message) -> None:
        """Take a message away and say so; its record stays, marked as deleted."""
        message.deleted_at = self._world.clock.now()
        self._threads.message_removed(channel)
        if message.visible_to is None:
            data = {"id": str(message.id), "channel_id": str(channel.id)}
            self._emit("MESSAGE_DELETE", channel, data)

    def bulk_delete(self, user_id: int, channel_id: int, ids: object) -> None:
        """Bulk Delete Messages: 2 to 100 ids; unknown ones are passed over."""
        channel = self._world.channel(channel_id)
        require(self._world, channel, user_id, Permission.MANAGE_MESSAGES)
        form = Form()
        listed = ids if isinstance(ids, list) else []
        form.length(["messages"], listed, 100, 2)
        form.check()
        now = self._world.clock.now()
        wanted = {str(entry) for entry in listed}
        found = [m for m in self._world.channel_messages(channel_id) if str(m.id) in wanted]
        for message in found:
            message.deleted_at = now
            self._threads.message_removed(channel)
        self._emit(
            "MESSAGE_DELETE_BULK",
            channel,
            {"ids": [str(m.id) for m in found], "channel_id": str(channel_id)},
        )

    def _publish(self, channel: Channel, message: Message) -> Message:
        message.remember(message.created_at)
        self._threads.message_sent(channel, message)
        self._world.state.messages.setdefault(channel.id, {})[message.id] = message
        if message.visible_to is None:
            channel.last_message_id = message.id
        self._announce("MESSAGE_CREATE", message)
        return message

    def announce_update(self, message: Message) -> None:
        """Tell the gateway of a change that is not an edit: a thread started on it, a pin."""
        self._announce("MESSAGE_UPDATE", message)

    def _announce(self, event: str, message: Message) -> None:
        if message.visible_to is not None:
            return
        data = self._payloads.event(message)
        if event == "MESSAGE_CREATE" and message.nonce is not None:
            data["nonce"] = message.nonce
        self._world.emit(Event(event, data, message.guild_id, message.channel_id, message))

    def _emit(self, event: str, channel: Channel, data: Json) -> None:
        if channel.guild_id is not None:
            data["guild_id"] = str(channel.guild_id)
        self._world.emit(Event(event, data, channel.guild_id, channel.id))

    def _require_may_send(self, channel: Channel, author_id: int, body: Json, files: list[Upload]) -> None:
        if channel.type not in MESSAGE_TYPES:
            require(self._world, channel, author_id, 0)
            raise NON_TEXT_CHANNEL.error()
        needed = Permission.SEND_MESSAGES_IN_THREADS if channel.thread else Permission.SEND_MESSAGES
        if body.get("embeds"):
            needed |= Permission.EMBED_LINKS
        if files:
            needed |= Permission.ATTACH_FILES
        if body.get("tts"):
            needed |= Permission.SEND_TTS_MESSAGES
        require(self._world, channel, author_id, needed)

    def _sent_before(self, channel_id: int, author_id: int, body: Json) -> Message | None:
        nonce = body.get("nonce")
        if nonce is None or not body.get("enforce_nonce"):
            return None
        since = self._world.clock.now() - NONCE_SECONDS
        for message in self._world.channel_messages(channel_id):
            same = message.author_id == author_id and str(message.nonce) == str(nonce)
            if same and message.nonce is not None and message.created_at >= since:
                return message
        return None

    def _reply_reference(self, channel: Channel, author_id: int, wanted: object) -> Reference | None:
        if not isinstance(wanted, dict) or wanted.get("message_id") is None:
            return None
        if not channel_permissions(self._world, channel, author_id) & Permission.READ_MESSAGE_HISTORY:
            raise REPLY_NEEDS_HISTORY.error()
        message_id = int(wanted["message_id"])
        if any(message.id == message_id for message in self._world.channel_messages(channel.id)):
            return Reference(channel.id, message_id, channel.guild_id)
        if wanted.get("fail_if_not_exists", True):
            form = Form()
            form.add(["message_reference"], "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            form.check()
        return None

    def _mentions(self, channel: Channel, message: Message, allowed: object) -> Mentions:
        world = self._world
        guild = None if channel.guild_id is None else world.guild(channel.guild_id)
        bits = channel_permissions(world, channel, message.author_id)
        default = WEBHOOK_DEFAULT if message.from_webhook else REGULAR_DEFAULT
        replied_to = None
        if message.reference is not None and message.type is MessageType.REPLY and not message.from_webhook:
            target = world.state.messages.get(message.reference.channel_id, {})
            replied_to = target[message.reference.message_id or 0].author_id
        return resolve(
            message.content,
            message.components,
            allowed if isinstance(allowed, dict) else default,
            guild=guild,
            known_users=set(world.state.users),
            may_ping_everyone=bool(bits & Permission.MENTION_EVERYONE),
            replied_to=replied_to,
        )

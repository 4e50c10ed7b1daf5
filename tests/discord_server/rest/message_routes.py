"""Messages, reactions, pins and typing ("Message Resource")."""

from __future__ import annotations

from collections.abc import Iterable

from ..actions.services import Services
from ..clock import isoformat
from ..errors import Json
from ..gateway.intents import Intent
from ..payloads.messages import content_is_open, withheld
from ..payloads.people import user_payload
from ..rules import emoji as emojis
from ..rules.forms import Form
from ..rules.permissions import Permission, require
from ..state.message_records import Message
from .calls import NO_CONTENT, Call, Endpoint, Reply
from .limits import Limits

OLD_AFTER_SECONDS = 3600.0


class MessageRoutes:
    def __init__(self, services: Services, limits: Limits) -> None:
        self._services = services
        self._world = services.world
        self._limits = limits

    def endpoints(self) -> list[Endpoint]:
        messages = "/channels/{channel_id}/messages"
        one = messages + "/{message_id}"
        reactions = one + "/reactions"
        emoji = reactions + "/{emoji}"
        pins = messages + "/pins"
        return [
            Endpoint("GET", pins, self.list_pins),
            Endpoint("PUT", pins + "/{message_id}", self.pin),
            Endpoint("DELETE", pins + "/{message_id}", self.unpin),
            Endpoint("GET", "/channels/{channel_id}/pins", self.list_pins_plain),
            Endpoint("PUT", "/channels/{channel_id}/pins/{message_id}", self.pin),
            Endpoint("DELETE", "/channels/{channel_id}/pins/{message_id}", self.unpin),
            Endpoint("POST", messages + "/bulk-delete", self.bulk_delete),
            Endpoint("GET", messages, self.history, "messages-read"),
            Endpoint("POST", messages, self.send, "message-create"),
            Endpoint("GET", one, self.get, "messages-read"),
            Endpoint("PATCH", one, self.edit, "message-edit"),
            Endpoint("DELETE", one, self.delete, "message-delete"),
            Endpoint("PUT", emoji + "/@me", self.react, "reactions"),
            Endpoint("DELETE", emoji + "/@me", self.unreact, "reactions"),
            Endpoint("DELETE", emoji + "/{user_id}", self.unreact_other, "reactions"),
            Endpoint("GET", emoji, self.reactors),
            Endpoint("DELETE", emoji, self.clear_emoji, "reactions"),
            Endpoint("DELETE", reactions, self.clear_reactions, "reactions"),
            Endpoint("POST", "/channels/{channel_id}/typing", self.typing, "typing"),
        ]

    def send(self, call: Call) -> Reply:
        body = call.form
        message = self._services.messages.send(call.user_id, call.id("channel_id"), body, call.files)
        return Reply(self._services.payloads.sent(message))

    def edit(self, call: Call) -> Reply:
        channel_id, message_id = call.id("channel_id"), call.id("message_id")
        known = self._world.state.messages.get(channel_id, {}).get(message_id)
        if known is not None and self._world.clock.now() - known.created_at > OLD_AFTER_SECONDS:
            self._limits.enter_old_edit(channel_id)
        message = self._services.messages.edit(call.user_id, channel_id, message_id, call.form, call.files)
        return Reply(self._services.payloads.message(message))

    def delete(self, call: Call) -> Reply:
        self._services.messages.delete(call.user_id, call.id("channel_id"), call.id("message_id"))
        return NO_CONTENT

    def bulk_delete(self, call: Call) -> Reply:
        self._services.messages.bulk_delete(call.user_id, call.id("channel_id"), call.form.get("messages"))
        return NO_CONTENT

    def get(self, call: Call) -> Reply:
        channel = self._world.channel(call.id("channel_id"))
        require(self._world, channel, call.user_id, Permission.READ_MESSAGE_HISTORY)
        return Reply(self._shown(self._world.message(channel.id, call.id("message_id"))))

    def history(self, call: Call) -> Reply:
        """Newest first. Without the right to read the history there is nothing in it."""
        channel = self._world.channel(call.id("channel_id"))
        bits = require(self._world, channel, call.user_id, 0)
        limit = call.number("limit", 50, 1, 100)
        if not bits & Permission.READ_MESSAGE_HISTORY:
            return Reply([])
        found = _page(list(self._world.channel_messages(channel.id)), call, limit)
        return Reply([self._shown(message) for message in found])

    def list_pins(self, call: Call) -> Reply:
        pinned = self._pinned(call)
        limit = call.number("limit", 50, 1, 50)
        before = call.query.get("before")
        if before is not None:
            pinned = [m for m in pinned if isoformat(m.pinned_at or 0) < before]
        items = [
            {"pinned_at": isoformat(message.pinned_at or 0), "message": self._shown(message)}
            for message in pinned[:limit]
        ]
        return Reply({"items": items, "has_more": len(pinned) > limit})

    def list_pins_plain(self, call: Call) -> Reply:
        return Reply([self._shown(message) for message in self._pinned(call)])

    def pin(self, call: Call) -> Reply:
        self._services.reactions.pin(call.user_id, call.id("channel_id"), call.id("message_id"))
        return NO_CONTENT

    def unpin(self, call: Call) -> Reply:
        self._services.reactions.unpin(call.user_id, call.id("channel_id"), call.id("message_id"))
        return NO_CONTENT

    def react(self, call: Call) -> Reply:
        where = call.id("channel_id"), call.id("message_id"), call.text("emoji")
        self._services.reactions.add(call.user_id, *where)
        return NO_CONTENT

    def unreact(self, call: Call) -> Reply:
        where = call.id("channel_id"), call.id("message_id"), call.text("emoji")
        self._services.reactions.remove(call.user_id, call.user_id, *where)
        return NO_CONTENT

    def unreact_other(self, call: Call) -> Reply:
        where = call.id("channel_id"), call.id("message_id"), call.text("emoji")
        self._services.reactions.remove(call.user_id, call.id("user_id"), *where)
        return NO_CONTENT

    def reactors(self, call: Call) -> Reply:
        channel = self._world.channel(call.id("channel_id"))
        require(self._world, channel, call.user_id, 0)
        message = self._world.message(channel.id, call.id("message_id"))
        limit, after = call.number("limit", 25, 1, 100), int(call.query.get("after", "0"))
        users = message.reactions.get(emojis.key(emojis.parse(call.text("emoji"))), [])
        wanted = sorted(user_id for user_id in users if user_id > after)[:limit]
        return Reply([user_payload(self._world.user(user_id)) for user_id in wanted])

    def clear_reactions(self, call: Call) -> Reply:
        self._services.reactions.clear(call.user_id, call.id("channel_id"), call.id("message_id"))
        return NO_CONTENT

    def clear_emoji(self, call: Call) -> Reply:
        where = call.id("channel_id"), call.id("message_id"), call.text("emoji")
        self._services.reactions.clear(call.user_id, *where)
        return NO_CONTENT

    def typing(self, call: Call) -> Reply:
        self._services.reactions.typing(call.user_id, call.id("channel_id"))
        return NO_CONTENT

    def _pinned(self, call: Call) -> list[Message]:
        channel = self._world.channel(call.id("channel_id"))
        require(self._world, channel, call.user_id, 0)
        return self._services.reactions.pinned(channel.id)

    def _shown(self, message: Message) -> Json:
        """REST goes by what the application has switched on, not by the intents of a session."""
        payload = self._services.payloads.message(message)
        if self._world.application.intents & Intent.MESSAGE_CONTENT:
            return payload
        return payload if content_is_open(self._world, message) else withheld(payload)


def _page(messages: list[Message], call: Call, limit: int) -> Iterable[Message]:
    """`before`, `after` and `around` as Get Channel Messages has them; the input is oldest first."""
    form = Form()
    bounds = {
        key: form.snowflake([key], call.query[key])
        for key in ("before", "after", "around")
        if key in call.query
    }
    form.check()
    if bounds.get("after") is not None:
        found = [m for m in messages if m.id > (bounds["after"] or 0)][:limit]
    elif bounds.get("around") is not None:
        middle = bounds["around"] or 0
        before = [m for m in messages if m.id < middle][-(limit // 2) :]
        found = before + [m for m in messages if m.id >= middle][: limit - len(before)]
    else:
        newest = bounds.get("before")
        found = [m for m in messages if newest is None or m.id < newest][-limit:]
    return reversed(found)

"""What a member does with Discord's client: writing, reacting, threads. Nothing goes through rate limits."""

from __future__ import annotations

import base64

from ..actions.services import Services
from ..errors import ClientRefusedError, Json
from ..rules.message_form import Upload
from ..rules.permissions import Permission, require


class MemberOperations:
    def __init__(self, services: Services) -> None:
        self._world = services.world
        self._services = services

    def send(
        self, user_id: int, channel_id: int, content: str, reply_to: int | None, files: list[Json]
    ) -> int:
        body: Json = {"content": content}
        if reply_to is not None:
            body["message_reference"] = {"message_id": str(reply_to)}
        uploads = [as_upload(str(index), file) for index, file in enumerate(files)]
        return self._services.messages.send(user_id, channel_id, body, uploads).id

    def edit(self, user_id: int, message_id: int, content: str) -> None:
        message = self._world.any_message(message_id)
        body = {"content": content}
        self._services.messages.edit(user_id, message.channel_id, message_id, body, [])

    def delete(self, user_id: int, message_id: int) -> None:
        message = self._world.any_message(message_id)
        if message.visible_to is not None:
            # Dismissing an ephemeral message only hides it in the member's own client.
            raise ClientRefusedError("an ephemeral message can only be dismissed")
        self._services.messages.delete(user_id, message.channel_id, message_id)

    def react(self, user_id: int, message_id: int, emoji: str) -> None:
        message = self._world.any_message(message_id)
        self._services.reactions.add(user_id, message.channel_id, message_id, emoji)

    def unreact(self, user_id: int, message_id: int, emoji: str) -> None:
        message = self._world.any_message(message_id)
        self._services.reactions.remove(user_id, user_id, message.channel_id, message_id, emoji)

    def pin(self, user_id: int, message_id: int) -> None:
        message = self._world.any_message(message_id)
        self._services.reactions.pin(user_id, message.channel_id, message_id)

    def type(self, user_id: int, channel_id: int) -> None:
        self._services.reactions.typing(user_id, channel_id)

    def start_thread(
        self, user_id: int, channel_id: int, name: str, message_id: int | None, private: bool
    ) -> int:
        body: Json = {"name": name, "type": 12 if private else 11}
        threads = self._services.threads
        if message_id is not None:
            return threads.start_from_message(user_id, channel_id, message_id, {"name": name}).id
        return threads.start(user_id, channel_id, body, []).id

    def edit_thread(self, user_id: int, channel_id: int, changes: Json) -> None:
        self._services.threads.edit(user_id, self._world.channel(channel_id), changes)

    def join_thread(self, user_id: int, channel_id: int) -> None:
        self._services.threads.add_member(user_id, self._world.channel(channel_id), user_id)

    def leave_thread(self, user_id: int, channel_id: int) -> None:
        self._services.threads.remove_member(user_id, self._world.channel(channel_id), user_id)

    def delete_channel(self, user_id: int, channel_id: int) -> None:
        channel = self._world.channel(channel_id)
        needed = Permission.MANAGE_THREADS if channel.thread else Permission.MANAGE_CHANNELS
        require(self._world, channel, user_id, needed)
        self._services.guilds.delete_channel(channel)


def as_upload(key: str, file: Json) -> Upload:
    """A file given over the control API: `filename`, `content_type`, and `data` in base64."""
    return Upload(key, file["filename"], file.get("content_type"), base64.b64decode(file["data"]))

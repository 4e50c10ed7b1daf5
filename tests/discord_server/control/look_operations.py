"""Reading records, as JSON of all their fields."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from ..actions.services import Services
from ..errors import Json
from ..rules.permissions import channel_permissions
from ..state.application_records import Interaction
from ..state.message_records import Message
from ..state.records import Channel, Guild, User


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def as_json(kind: Any, record: object) -> Json:
    fields: Json = _adapter(kind).dump_python(record, mode="json")
    return fields


class LookOperations:
    def __init__(self, services: Services) -> None:
        self._world = services.world
        self._commands = services.commands

    def application(self) -> Json:
        application = self._world.application
        return {
            "id": application.id,
            "name": application.name,
            "token": application.token,
            "owner_id": application.owner_id,
            "bot_id": application.bot_id,
            "intents": application.intents,
        }

    def user(self, user_id: int) -> Json:
        return as_json(User, self._world.user(user_id))

    def user_named(self, name: str) -> int | None:
        found = (user.id for user in self._world.state.users.values() if user.username == name)
        return next(found, None)

    def guild(self, guild_id: int) -> Json:
        return as_json(Guild, self._world.guild(guild_id))

    def guilds(self) -> list[int]:
        return list(self._world.state.guilds)

    def channel(self, channel_id: int) -> Json | None:
        """Nothing for a channel that has been deleted."""
        channel = self._world.state.channels.get(channel_id)
        return None if channel is None else as_json(Channel, channel)

    def channels(self, guild_id: int) -> list[int]:
        return [channel.id for channel in self._world.guild_channels(guild_id)]

    def permissions(self, channel_id: int, user_id: int) -> int:
        return int(channel_permissions(self._world, self._world.channel(channel_id), user_id))

    def message(self, message_id: int) -> Json:
        message = self._world.any_message(message_id)
        return {**as_json(Message, message), "has_thread": message.id in self._world.state.channels}

    def messages(self, channel_id: int, deleted: bool, ephemeral: bool) -> list[int]:
        """Ids, oldest first."""
        return [
            message.id
            for message in self._world.state.messages.get(channel_id, {}).values()
            if (deleted or message.deleted_at is None) and (ephemeral or message.visible_to is None)
        ]

    def interaction(self, interaction_id: int) -> Json:
        interaction = self._world.interaction(interaction_id)
        expired = interaction.expired(self._world.clock.now())
        return {**as_json(Interaction, interaction), "expired": expired}

    def commands(self, guild_id: int | None) -> list[Json]:
        return [self._commands.payload(command) for command in self._commands.listed(guild_id)]

    def now(self) -> float:
        return self._world.clock.now()

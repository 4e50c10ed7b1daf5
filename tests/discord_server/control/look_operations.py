"""Reading records, as JSON of all their fields."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_jsonable_python

from ..actions.services import Services
from ..errors import Json
from ..rules.permissions import channel_permissions
from ..state.message_records import WRITTEN_TYPES


def as_json(record: object) -> Any:
    """A record, or one field of it, as JSON values; bytes in base64."""
    return to_jsonable_python(record, bytes_mode="base64")


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

    def user(self, user_id: int) -> Any:
        return as_json(self._world.user(user_id))

    def user_named(self, name: str) -> int | None:
        found = (user.id for user in self._world.state.users.values() if user.username == name)
        return next(found, None)

    def guild(self, guild_id: int) -> Any:
        return as_json(self._world.guild(guild_id))

    def guilds(self) -> list[int]:
        return list(self._world.state.guilds)

    def channel(self, channel_id: int) -> Any:
        """Nothing for a channel that has been deleted."""
        channel = self._world.state.channels.get(channel_id)
        return None if channel is None else as_json(channel)

    def channels(self, guild_id: int) -> list[int]:
        return [channel.id for channel in self._world.guild_channels(guild_id)]

    def permissions(self, channel_id: int, user_id: int) -> int:
        return int(channel_permissions(self._world, self._world.channel(channel_id), user_id))

    def message(self, message_id: int, field: str) -> Any:
        """One field: with all its versions a message is a lot to look at, and tests look often."""
        return as_json(getattr(self._world.any_message(message_id), field))

    def messages(self, channel_id: int, everything: bool, written: bool) -> list[int]:
        """Ids, oldest first; `everything` are deleted and ephemeral ones too, `written` only people's and bots'."""
        return [
            message.id
            for message in self._world.state.messages.get(channel_id, {}).values()
            if (everything or (message.deleted_at is None and message.visible_to is None))
            and (not written or message.type in WRITTEN_TYPES)
        ]

    def interaction(self, interaction_id: int) -> Json:
        interaction = self._world.interaction(interaction_id)
        expired = interaction.expired(self._world.clock.now())
        return {**as_json(interaction), "expired": expired}

    def commands(self, guild_id: int | None) -> list[Json]:
        return [self._commands.payload(command) for command in self._commands.listed(guild_id)]

    def now(self) -> float:
        return self._world.clock.now()

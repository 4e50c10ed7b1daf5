"""Making and changing guilds, channels, roles and people."""

from __future__ import annotations

from ..actions.services import Services
from ..rules.locales import LOCALES
from ..state.records import Channel, ChannelType, Overwrite, Role


class WorldOperations:
    def __init__(self, services: Services) -> None:
        self._world = services.world
        self._guilds = services.guilds

    def create_user(self, name: str, locale: str) -> int:
        """Raises ValueError for a locale that Discord's client does not come in."""
        if locale not in LOCALES:
            raise ValueError(f"{locale!r} is not a locale of Discord's client")
        return self._guilds.create_user(name, locale).id

    def set_locale(self, user_id: int, locale: str) -> None:
        if locale not in LOCALES:
            raise ValueError(f"{locale!r} is not a locale of Discord's client")
        self._world.user(user_id).locale = locale

    def create_guild(self, name: str, owner_id: int, locale: str, with_bot: bool) -> int:
        return self._guilds.create_guild(name, owner_id, locale, with_bot=with_bot).id

    def add_bot(self, guild_id: int, permissions: int) -> None:
        self._guilds.add_bot(self._world.guild(guild_id), permissions)

    def remove_bot(self, guild_id: int) -> None:
        self._guilds.remove_bot(self._world.guild(guild_id))

    def set_bot_permissions(self, guild_id: int, permissions: int) -> None:
        guild = self._world.guild(guild_id)
        own = next(role for role in guild.roles.values() if role.bot_id == self._world.bot.id)
        self._guilds.set_role_permissions(guild, own.id, permissions)

    def create_role(self, guild_id: int, name: str, permissions: int, mentionable: bool) -> int:
        role = Role(0, name, permissions, mentionable=mentionable)
        return self._guilds.create_role(self._world.guild(guild_id), role).id

    def set_role_permissions(self, guild_id: int, role_id: int, permissions: int) -> None:
        self._guilds.set_role_permissions(self._world.guild(guild_id), role_id, permissions)

    def add_member(self, guild_id: int, user_id: int, roles: list[int]) -> None:
        self._guilds.add_member(self._world.guild(guild_id), self._world.user(user_id), roles)

    def remove_member(self, guild_id: int, user_id: int) -> None:
        self._guilds.remove_member(self._world.guild(guild_id), user_id)

    def set_member_roles(self, guild_id: int, user_id: int, roles: list[int]) -> None:
        self._guilds.change_member(self._world.guild(guild_id), user_id, roles=roles)

    def create_channel(
        self,
        guild_id: int,
        name: str,
        kind: int,
        parent_id: int | None,
        topic: str | None,
    ) -> int:
        channel = Channel(0, ChannelType(kind), name, parent_id=parent_id, topic=topic)
        return self._guilds.create_channel(self._world.guild(guild_id), channel).id

    def delete_channel(self, channel_id: int) -> None:
        self._guilds.delete_channel(self._world.channel(channel_id))

    def set_overwrite(self, channel_id: int, target_id: int, for_member: bool, allow: int, deny: int) -> None:
        channel = self._world.channel(channel_id)
        self._guilds.set_overwrite(channel, Overwrite(target_id, for_member, allow, deny))

    def direct_channel(self, user_id: int) -> int:
        return self._guilds.direct_channel(user_id).id

    def set_intents(self, intents: int) -> None:
        """The privileged intents that are switched on in the developer portal."""
        self._world.application.intents = intents

    def set_portal(self, interactions_endpoint_url: str | None, requires_code_grant: bool) -> None:
        """Further switches of the developer portal."""
        self._world.application.interactions_endpoint_url = interactions_endpoint_url
        self._world.application.requires_code_grant = requires_code_grant

    def set_owner(self, user_id: int) -> None:
        self._world.application.owner_id = self._world.user(user_id).id

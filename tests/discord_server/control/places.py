"""Guilds, channels, threads and roles as a test makes and sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Json
from ..rules.permissions import BOT_DEFAULT
from ..state.records import ChannelType
from .handles import Handle
from .messages import Message

if TYPE_CHECKING:
    from .people import Member


class Role(Handle):
    kind = "role"

    @property
    def mention(self) -> str:
        return f"<@&{self.id}>"


class Channel(Handle):
    """A channel or a thread."""

    kind = "channel"

    @property
    def _record(self) -> Json:
        record: Json | None = self._link.call("look.channel", channel_id=self.id)
        if record is None:
            raise KeyError(f"channel {self.id} is deleted")
        return record

    @property
    def _thread(self) -> Json:
        thread: Json | None = self._record["thread"]
        if thread is None:
            raise KeyError(f"channel {self.id} is not a thread")
        return thread

    @property
    def name(self) -> str:
        return str(self._record["name"])

    @property
    def mention(self) -> str:
        return f"<#{self.id}>"

    @property
    def type(self) -> ChannelType:
        return ChannelType(self._record["type"])

    @property
    def deleted(self) -> bool:
        return self._link.call("look.channel", channel_id=self.id) is None

    @property
    def is_thread(self) -> bool:
        return self._record["thread"] is not None

    @property
    def parent(self) -> Channel:
        """Raises KeyError for a channel without one."""
        parent_id = self._record["parent_id"]
        if parent_id is None:
            raise KeyError(f"channel {self.id} has no parent")
        return Channel(self._link, parent_id)

    @property
    def guild(self) -> Guild:
        return Guild(self._link, self._record["guild_id"])

    @property
    def messages(self) -> list[Message]:
        """What everybody sees in it, oldest first; system messages too."""
        return self._messages()

    @property
    def all_messages(self) -> list[Message]:
        """Deleted and ephemeral messages included."""
        return self._messages(everything=True)

    @property
    def written(self) -> list[Message]:
        """Messages that people and bots wrote: without Discord's own, such as 'started a thread'."""
        return self._messages(written=True)

    @property
    def threads(self) -> list[Channel]:
        """Threads of this channel, archived ones too, oldest first."""
        return [thread for thread in self.guild.threads if thread.parent == self]

    @property
    def archived(self) -> bool:
        return bool(self._thread["archived"])

    @property
    def locked(self) -> bool:
        return bool(self._thread["locked"])

    @property
    def owner_id(self) -> int:
        return int(self._thread["owner_id"])

    @property
    def member_ids(self) -> set[int]:
        """Who has joined the thread."""
        return {int(user_id) for user_id in self._thread["members"]}

    def set_overwrite(self, target: Role | Member | Guild, *, allow: int = 0, deny: int = 0) -> None:
        """Permissions of a role or member in this channel; a guild stands for its @everyone."""
        self._link.call(
            "world.set_overwrite",
            channel_id=self.id,
            target_id=target.id,
            for_member=not isinstance(target, Role | Guild),
            allow=int(allow),
            deny=int(deny),
        )

    def delete(self) -> None:
        self._link.call("world.delete_channel", channel_id=self.id)

    def _messages(self, *, everything: bool = False, written: bool = False) -> list[Message]:
        ids = self._link.call("look.messages", channel_id=self.id, everything=everything, written=written)
        return [Message(self._link, message_id) for message_id in ids]


class Guild(Handle):
    kind = "guild"

    @property
    def _record(self) -> Json:
        record: Json = self._link.call("look.guild", guild_id=self.id)
        return record

    @property
    def name(self) -> str:
        return str(self._record["name"])

    @property
    def member_ids(self) -> set[int]:
        return {int(user_id) for user_id in self._record["members"]}

    @property
    def channels(self) -> list[Channel]:
        return [c for c in self._everything() if not c.is_thread]

    @property
    def threads(self) -> list[Channel]:
        return [c for c in self._everything() if c.is_thread]

    def create_text_channel(self, name: str, *, topic: str | None = None) -> Channel:
        return self._create_channel(name, ChannelType.TEXT, topic)

    def create_forum(self, name: str) -> Channel:
        return self._create_channel(name, ChannelType.FORUM, None)

    def create_voice_channel(self, name: str) -> Channel:
        return self._create_channel(name, ChannelType.VOICE, None)

    def create_role(self, name: str, *, permissions: int = 0, mentionable: bool = False) -> Role:
        role_id = self._link.call(
            "world.create_role",
            guild_id=self.id,
            name=name,
            permissions=int(permissions),
            mentionable=mentionable,
        )
        return Role(self._link, role_id)

    def add_member(
        self, name: str, *, locale: str = "en-US", roles: list[Role] | None = None, permissions: int = 0
    ) -> Member:
        """A member of this name; the same person as in other guilds. `permissions` come by an own role."""
        from .people import Member

        user_id = self._link.call("look.user_named", name=name)
        if user_id is None:
            user_id = self._link.call("world.create_user", name=name, locale=locale)
        own = list(roles or [])
        if permissions:
            own.append(self.create_role(f"{name}'s", permissions=permissions))
        role_ids = [role.id for role in own]
        self._link.call("world.add_member", guild_id=self.id, user_id=user_id, roles=role_ids)
        return Member(self._link, user_id, self.id)

    def set_everyone_permissions(self, permissions: int) -> None:
        self._link.call(
            "world.set_role_permissions", guild_id=self.id, role_id=self.id, permissions=int(permissions)
        )

    def set_bot_permissions(self, permissions: int) -> None:
        """Of the bot's own role; those of @everyone come on top."""
        self._link.call("world.set_bot_permissions", guild_id=self.id, permissions=int(permissions))

    def add_bot(self, permissions: int = BOT_DEFAULT) -> None:
        self._link.call("world.add_bot", guild_id=self.id, permissions=int(permissions))

    def remove_bot(self) -> None:
        self._link.call("world.remove_bot", guild_id=self.id)

    def _create_channel(self, name: str, kind: ChannelType, topic: str | None) -> Channel:
        channel_id = self._link.call(
            "world.create_channel", guild_id=self.id, name=name, kind=int(kind), parent_id=None, topic=topic
        )
        return Channel(self._link, channel_id)

    def _everything(self) -> list[Channel]:
        return [Channel(self._link, id_) for id_ in self._link.call("look.channels", guild_id=self.id)]

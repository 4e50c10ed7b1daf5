"""Guilds, their channels, roles and members: made by tests, seen and partly changed by the bot."""

from __future__ import annotations

from ..errors import CANNOT_MESSAGE_USER, UNKNOWN_OVERWRITE, UNKNOWN_ROLE, Json
from ..payloads.channels import channel_payload, thread_payload
from ..payloads.people import guild_create_payload, member_payload, role_payload, user_payload
from ..rules.forms import Form
from ..rules.permissions import BOT_DEFAULT, EVERYONE_DEFAULT, Permission, require
from ..state.records import Channel, ChannelType, Guild, Member, Overwrite, Role, User
from ..state.world import Event, World


class GuildActions:
    def __init__(self, world: World) -> None:
        self._world = world

    def create_user(self, name: str, locale: str) -> User:
        user = User(self._world.ids.next(), name, locale, global_name=name.title())
        self._world.state.users[user.id] = user
        return user

    def create_guild(self, name: str, owner_id: int, locale: str, *, with_bot: bool) -> Guild:
        world = self._world
        guild = Guild(world.ids.next(), name, owner_id, locale)
        guild.roles[guild.id] = Role(guild.id, "@everyone", EVERYONE_DEFAULT, position=0)
        guild.members[owner_id] = Member(owner_id, world.clock.now())
        world.state.guilds[guild.id] = guild
        if with_bot:
            self.add_bot(guild, BOT_DEFAULT)
        return guild

    def add_bot(self, guild: Guild, permissions: int) -> None:
        """Invite the bot: it gets a role of its own with these permissions."""
        world = self._world
        role = Role(world.ids.next(), world.bot.username, permissions, bot_id=world.bot.id)
        guild.roles[role.id] = role
        guild.members[world.bot.id] = Member(world.bot.id, world.clock.now(), [role.id])
        data = guild_create_payload(world, guild, everybody=False)
        world.emit(Event("GUILD_CREATE", data, guild.id))

    def remove_bot(self, guild: Guild) -> None:
        """The bot is thrown out, or leaves: GUILD_DELETE without `unavailable`."""
        member = guild.members.pop(self._world.bot.id, None)
        for role_id in member.roles if member else ():
            if guild.roles[role_id].bot_id is not None:
                del guild.roles[role_id]
        self._world.emit(Event("GUILD_DELETE", {"id": str(guild.id)}, guild.id))

    def create_role(self, guild: Guild, role: Role) -> Role:
        role.id = role.id or self._world.ids.next()
        guild.roles[role.id] = role
        self._guild_event("GUILD_ROLE_CREATE", guild, {"role": role_payload(role)})
        return role

    def set_role_permissions(self, guild: Guild, role_id: int, permissions: int) -> None:
        if role_id not in guild.roles:
            raise UNKNOWN_ROLE.error()
        role = guild.roles[role_id]
        role.permissions = permissions
        self._guild_event("GUILD_ROLE_UPDATE", guild, {"role": role_payload(role)})

    def add_member(self, guild: Guild, user: User, roles: list[int]) -> Member:
        member = Member(user.id, self._world.clock.now(), roles)
        guild.members[user.id] = member
        self._guild_event("GUILD_MEMBER_ADD", guild, member_payload(self._world, guild, member))
        return member

    def remove_member(self, guild: Guild, user_id: int) -> None:
        """Leave or be thrown out."""
        self._world.member(guild.id, user_id)
        del guild.members[user_id]
        user = user_payload(self._world.user(user_id))
        self._guild_event("GUILD_MEMBER_REMOVE", guild, {"user": user})

    def change_member(
        self, guild: Guild, user_id: int, *, roles: list[int] | None = None, nick: str | None = None
    ) -> Member:
        member = self._world.member(guild.id, user_id)
        if roles is not None:
            member.roles = roles
        if nick is not None:
            member.nick = nick or None
        self._guild_event("GUILD_MEMBER_UPDATE", guild, member_payload(self._world, guild, member))
        return member

    def create_channel(self, guild: Guild, channel: Channel) -> Channel:
        channel.id = channel.id or self._world.ids.next()
        channel.guild_id = guild.id
        channel.position = sum(1 for _ in self._world.guild_channels(guild.id))
        self._world.state.channels[channel.id] = channel
        self._announce("CHANNEL_CREATE", channel)
        return channel

    def edit_channel(self, user_id: int, channel: Channel, body: Json) -> None:
        """Modify Channel for one that is not a thread."""
        require(self._world, channel, user_id, Permission.MANAGE_CHANNELS)
        form = Form()
        if "name" in body:
            form.text(["name"], body["name"], 100, 1, required=True)
        form.text(["topic"], body.get("topic"), 1024)
        form.whole(["rate_limit_per_user"], body.get("rate_limit_per_user"), 0, 21600)
        form.check()
        channel.name = str(body.get("name", channel.name))
        channel.topic = body.get("topic", channel.topic)
        channel.nsfw = bool(body.get("nsfw", channel.nsfw))
        channel.slowmode = int(body.get("rate_limit_per_user", channel.slowmode) or 0)
        self._announce("CHANNEL_UPDATE", channel)

    def delete_channel(self, channel: Channel) -> None:
        """A channel with its threads, or a thread alone; messages go with them."""
        world = self._world
        if channel.thread is not None:
            data = {key: thread_payload(channel)[key] for key in ("id", "guild_id", "parent_id", "type")}
            # Told while the thread can still be looked up.
            world.emit(Event("THREAD_DELETE", data, channel.guild_id, channel.id))
        else:
            for thread in [
                c for c in world.state.channels.values() if c.parent_id == channel.id and c.thread
            ]:
                self._forget(thread)
            self._announce("CHANNEL_DELETE", channel)
        self._forget(channel)

    def _forget(self, channel: Channel) -> None:
        del self._world.state.channels[channel.id]
        now = self._world.clock.now()
        for message in self._world.state.messages.get(channel.id, {}).values():
            message.deleted_at = message.deleted_at or now

    def set_overwrite(self, channel: Channel, overwrite: Overwrite) -> None:
        rest = [o for o in channel.overwrites if o.target_id != overwrite.target_id]
        channel.overwrites = [*rest, overwrite]
        self._announce("CHANNEL_UPDATE", channel)

    def remove_overwrite(self, channel: Channel, target_id: int) -> None:
        rest = [o for o in channel.overwrites if o.target_id != target_id]
        if len(rest) == len(channel.overwrites):
            raise UNKNOWN_OVERWRITE.error()
        channel.overwrites = rest
        self._announce("CHANNEL_UPDATE", channel)

    def direct_channel(self, user_id: int) -> Channel:
        """The channel between this user and the bot; made when first asked for."""
        world = self._world
        user = world.user(user_id)
        if user.bot:
            raise CANNOT_MESSAGE_USER.error()
        for channel in world.state.channels.values():
            if channel.type is ChannelType.DIRECT_MESSAGE and user_id in channel.recipients:
                return channel
        channel = Channel(world.ids.next(), ChannelType.DIRECT_MESSAGE, "")
        channel.recipients = [user_id, world.bot.id]
        world.state.channels[channel.id] = channel
        return channel

    def _announce(self, event: str, channel: Channel) -> None:
        data = channel_payload(channel)
        self._world.emit(Event(event, data, channel.guild_id, channel.id))

    def _guild_event(self, event: str, guild: Guild, data: Json) -> None:
        self._world.emit(Event(event, {**data, "guild_id": str(guild.id)}, guild.id))

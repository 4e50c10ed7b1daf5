"""Guilds, members and users ("Guild Resource", "Users Resource")."""

from __future__ import annotations

from ..actions.services import Services
from ..errors import MISSING_ACCESS, MISSING_PERMISSIONS, Json
from ..gateway.intents import Intent
from ..payloads.channels import channel_payload, direct_message_payload
from ..payloads.people import guild_payload, member_payload, role_payload, user_payload
from ..rules.forms import Form
from ..rules.permissions import Permission, guild_permissions
from ..state.records import Channel, ChannelType, Guild
from .calls import NO_CONTENT, Call, Endpoint, Reply


class GuildRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._world = services.world

    def endpoints(self) -> list[Endpoint]:
        guild = "/guilds/{guild_id}"
        return [
            Endpoint("GET", "/users/@me", self.get_me),
            Endpoint("GET", "/users/@me/guilds", self.my_guilds),
            Endpoint("DELETE", "/users/@me/guilds/{guild_id}", self.leave_guild),
            Endpoint("POST", "/users/@me/channels", self.open_direct_message),
            Endpoint("GET", "/users/{user_id}", self.get_user),
            Endpoint("GET", guild, self.get_guild),
            Endpoint("GET", guild + "/channels", self.channels),
            Endpoint("POST", guild + "/channels", self.create_channel),
            Endpoint("GET", guild + "/roles", self.roles),
            Endpoint("GET", guild + "/members/search", self.search_members),
            Endpoint("GET", guild + "/members", self.members),
            Endpoint("PATCH", guild + "/members/@me", self.edit_me),
            Endpoint("GET", guild + "/members/{user_id}", self.get_member),
        ]

    def get_me(self, call: Call) -> Reply:
        return Reply({**user_payload(self._world.bot), "verified": True, "mfa_enabled": False, "email": None})

    def get_user(self, call: Call) -> Reply:
        return Reply(user_payload(self._world.user(call.id("user_id"))))

    def my_guilds(self, call: Call) -> Reply:
        mine = [guild for guild in self._world.state.guilds.values() if call.user_id in guild.members]
        return Reply(
            [self._own_guild(guild, call.user_id) for guild in mine[: call.number("limit", 200, 1, 200)]]
        )

    def leave_guild(self, call: Call) -> Reply:
        self._services.guilds.remove_bot(self._guild(call))
        return NO_CONTENT

    def open_direct_message(self, call: Call) -> Reply:
        form = Form()
        user_id = form.snowflake(["recipient_id"], call.form.get("recipient_id"))
        form.check()
        channel = self._services.guilds.direct_channel(user_id or 0)
        return Reply(direct_message_payload(self._world, channel))

    def get_guild(self, call: Call) -> Reply:
        guild = self._guild(call)
        payload = guild_payload(guild)
        if call.flag("with_counts"):
            payload |= {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
        return Reply(payload)

    def channels(self, call: Call) -> Reply:
        found = self._world.guild_channels(self._guild(call).id)
        return Reply([channel_payload(channel) for channel in found if channel.thread is None])

    def create_channel(self, call: Call) -> Reply:
        guild, body = self._guild(call), call.form
        if not guild_permissions(guild, call.user_id) & Permission.MANAGE_CHANNELS:
            raise MISSING_PERMISSIONS.error()
        form = Form()
        form.text(["name"], body.get("name"), 100, 1, required=True)
        form.check()
        channel = Channel(0, ChannelType(body.get("type") or 0), str(body["name"]), topic=body.get("topic"))
        return Reply(channel_payload(self._services.guilds.create_channel(guild, channel)), 201)

    def roles(self, call: Call) -> Reply:
        return Reply([role_payload(role) for role in self._guild(call).roles.values()])

    def members(self, call: Call) -> Reply:
        """Needs the members intent to be switched on for the application."""
        guild = self._guild(call)
        if not self._world.application.intents & Intent.GUILD_MEMBERS:
            raise MISSING_ACCESS.error()
        limit, after = call.number("limit", 1, 1, 1000), int(call.query.get("after", "0"))
        ids = sorted(user_id for user_id in guild.members if user_id > after)[:limit]
        return Reply([self._member(guild, user_id) for user_id in ids])

    def search_members(self, call: Call) -> Reply:
        guild, prefix = self._guild(call), call.query.get("query", "").lower()
        names = {user_id: self._world.user(user_id).username for user_id in guild.members}
        found = [user_id for user_id, name in names.items() if name.lower().startswith(prefix)]
        return Reply([self._member(guild, user_id) for user_id in found[: call.number("limit", 1, 1, 1000)]])

    def get_member(self, call: Call) -> Reply:
        return Reply(self._member(self._guild(call), call.id("user_id")))

    def edit_me(self, call: Call) -> Reply:
        guild = self._guild(call)
        nick = call.form.get("nick")
        form = Form()
        form.text(["nick"], nick, 32)
        form.check()
        self._services.guilds.change_member(guild, call.user_id, nick=nick or "")
        return Reply(self._member(guild, call.user_id))

    def _member(self, guild: Guild, user_id: int) -> Json:
        return member_payload(self._world, guild, self._world.member(guild.id, user_id))

    def _own_guild(self, guild: Guild, user_id: int) -> Json:
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": guild.owner_id == user_id,
            "permissions": str(int(guild_permissions(guild, user_id))),
            "features": [],
        }

    def _guild(self, call: Call) -> Guild:
        """The guild, where the bot is a member. Raises 10004 and 50001."""
        guild = self._world.guild(call.id("guild_id"))
        if call.user_id not in guild.members:
            raise MISSING_ACCESS.error()
        return guild

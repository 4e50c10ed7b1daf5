"""Users, members, roles and guilds as JSON (Resources, "User" and "Guild"; Topics, "Permissions")."""

from __future__ import annotations

from ..clock import isoformat
from ..errors import Json
from ..gateway.intents import Intent
from ..rules.permissions import can_see
from ..state.application_records import Application
from ..state.records import Guild, Member, Role, User
from ..state.world import World
from .channels import channel_payload, thread_payload

# Application flags: which privileged intents an app of few guilds has switched on.
_LIMITED_INTENT_FLAGS = {
    Intent.GUILD_PRESENCES: 1 << 13,
    Intent.GUILD_MEMBERS: 1 << 15,
    Intent.MESSAGE_CONTENT: 1 << 19,
}


def user_payload(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.username,
        "discriminator": "0001" if user.bot else "0",
        "global_name": user.global_name,
        "avatar": None,
        "bot": user.bot,
        "public_flags": 0,
        "primary_guild": None,
        "avatar_decoration_data": None,
        "collectibles": None,
    }


def member_payload(world: World, guild: Guild, member: Member, *, with_user: bool = True) -> Json:
    payload: Json = {
        "nick": member.nick,
        "avatar": None,
        "banner": None,
        "roles": [str(role_id) for role_id in member.roles],
        "joined_at": isoformat(member.joined_at),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    if with_user:
        payload["user"] = user_payload(world.user(member.user_id))
    return payload


def role_payload(role: Role) -> Json:
    payload: Json = {
        "id": str(role.id),
        "name": role.name,
        "color": role.color,
        "colors": {"primary_color": role.color, "secondary_color": None, "tertiary_color": None},
        "hoist": role.hoist,
        "icon": None,
        "unicode_emoji": None,
        "position": role.position,
        "permissions": str(int(role.permissions)),
        "managed": role.bot_id is not None,
        "mentionable": role.mentionable,
        "flags": 0,
    }
    if role.bot_id is not None:
        payload["tags"] = {"bot_id": str(role.bot_id)}
    return payload


def guild_payload(guild: Guild) -> Json:
    """A guild as REST answers it."""
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "description": None,
        "owner_id": str(guild.owner_id),
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "roles": [role_payload(role) for role in guild.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": guild.locale,
        "nsfw_level": 0,
        "max_members": 500_000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "incidents_data": None,
    }


def guild_create_payload(world: World, guild: Guild, *, everybody: bool) -> Json:
    """A guild as GUILD_CREATE brings it: with its channels, and the active threads that the bot can see.

    Without the presence intent only the bot is listed among the members (Gateway Events, "Guild Create").
    """
    bot = world.bot
    channels = list(world.guild_channels(guild.id))
    threads = [c for c in channels if c.thread and not c.thread.archived and can_see(world, c, bot.id)]
    members = guild.members.values() if everybody else [guild.members[bot.id]]
    return {
        **guild_payload(guild),
        "joined_at": isoformat(guild.members[bot.id].joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "voice_states": [],
        "members": [member_payload(world, guild, member) for member in members],
        "channels": [channel_payload(channel) for channel in channels if channel.thread is None],
        "threads": [thread_payload(thread, bot.id) for thread in threads],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_payload(world: World) -> Json:
    application = world.application
    return {
        "id": str(application.id),
        "name": application.name,
        "icon": None,
        "description": application.description,
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": application.requires_code_grant,
        "bot": user_payload(world.bot),
        "owner": user_payload(world.user(application.owner_id)),
        "verify_key": application.public_key,
        "team": None,
        "flags": application_flags(application),
        "approximate_guild_count": len(world.state.guilds),
        "approximate_user_install_count": 0,
        "tags": [],
        "interactions_endpoint_url": application.interactions_endpoint_url,
        "role_connections_verification_url": None,
        "integration_types_config": {"0": {}},
    }


def application_flags(application: Application) -> int:
    return sum(flag for intent, flag in _LIMITED_INTENT_FLAGS.items() if application.intents & intent)

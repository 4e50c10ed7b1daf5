"""The simulated server: its channel and its people, built once and found again in a restored state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simcord import ChannelHandle, Env, GuildHandle, MemberActor

GUILD_NAME = "FanFabler preview"
CHANNEL_NAME = "fan-fiction"
# Fixed, so that `OPERATOR_GUILD_IDS` can name it before the server exists.
GUILD_ID = 1_310_000_000_000_000_000
BOT_NAME = "FanFabler"
AVATAR = Path(__file__).with_name("static") / "avatar.png"
TOPIC = "Type /story start and what you would like to read. The bot opens a thread for every story."


@dataclass(frozen=True, slots=True)
class World:
    """The server, its channel, and its members; the first member owns the server and the bot."""

    guild: GuildHandle
    channel: ChannelHandle
    members: tuple[MemberActor, ...]


def build_world(env: Env, names: Sequence[str]) -> World:
    """Make the server with one member for each display name. Before the bot is started."""
    users = [env.create_user(name.lower().replace(" ", "_"), global_name=name) for name in names]
    env.backend.edit_bot_profile(BOT_NAME)
    env.backend.bot_user.avatar = "fanfabler"
    guild = env.create_guild(GUILD_NAME, id=GUILD_ID, owner=users[0])
    channel = guild.create_text_channel(CHANNEL_NAME, topic=TOPIC)
    for user in users[1:]:
        guild.add_member(user)
    return find_world(env) or World(guild, channel, ())


def find_world(env: Env) -> World | None:
    """The server of a restored state, or None where the state holds none."""
    from simcord import ChannelHandle, GuildHandle, MemberActor, UserHandle

    guild = env.backend.guilds.get(GUILD_ID)
    if guild is None:
        return None
    channels = [env.backend.channels[key] for key in guild.channel_ids]
    channel = next((item for item in channels if item.name == CHANNEL_NAME), None)
    people = [env.backend.users[key] for key in guild.members if not env.backend.users[key].bot]
    if channel is None or not people:
        return None
    people.sort(key=lambda user: (user.id != guild.owner_id, user.id))
    handle = GuildHandle(env, guild)
    members = tuple(MemberActor(env, handle, UserHandle(env, user)) for user in people)
    return World(handle, ChannelHandle(env, handle, channel), members)


def avatars(env: Env) -> dict[str, tuple[str, bytes]]:
    """The bot's picture, for the page, which fetches nothing from elsewhere."""
    from simcord.backend.cdn import CDN_BASE

    user = env.backend.bot_user
    return {f"{CDN_BASE}/avatars/{user.id}/{user.avatar}.png": (AVATAR.name, AVATAR.read_bytes())}

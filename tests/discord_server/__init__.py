"""A Discord for tests: REST API v10 and gateway over real HTTP and WebSockets, and people to play.

    async with DiscordServer() as discord:
        guild = discord.create_guild("Library")
        channel = guild.create_text_channel("fan-fiction")
        alice = guild.add_member("alice", locale="de")
        # point the bot at discord.api_base and discord.gateway_url, with discord.bot_token
        result = await alice.slash(channel, "story start", prompt="…")
        await discord.wait_for(lambda: channel.threads[0].written[-1].content == "…")

Written from Discord's public documentation; section titles in docstrings are of docs.discord.com. Layers:
`state` (records), `rules` and `payloads` (pure), `actions` (what may be done), `gateway` and `rest` (the
wire), `control` (what tests use). A route that is not served answers 501 and fails the test at the end of
the `async with`.
"""

from __future__ import annotations

from .control.handles import File
from .control.interactions import Choice, InteractionResult, Modal
from .control.messages import Message, Version
from .control.people import Member, User
from .control.places import Channel, Guild, Role
from .control.tools import RecordedRequest, Requests
from .errors import ClientRefusedError, DiscordServerError, UnexpectedTraffic
from .gateway.intents import Intent
from .rules.permissions import Permission
from .server import DiscordControl, DiscordServer, SpawnedDiscordServer

__all__ = [
    "Channel",
    "Choice",
    "ClientRefusedError",
    "DiscordControl",
    "DiscordServer",
    "DiscordServerError",
    "File",
    "Guild",
    "Intent",
    "InteractionResult",
    "Member",
    "Message",
    "Modal",
    "Permission",
    "RecordedRequest",
    "Requests",
    "Role",
    "SpawnedDiscordServer",
    "UnexpectedTraffic",
    "User",
    "Version",
]

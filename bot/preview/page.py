"""What the live page has beyond simcord's: the list of channels and threads, the way into a thread and back,
the member's Discord language, the commands of a message's menu. `static/live.js` is the other half."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import discord
from simcord import MemberActor, SetupError
from simcord.backend.access import can_access_channel
from simcord.backend.models import Channel

from bot.preview.simcord_live import LivePreview
from model.languages import LANGUAGES

LOCALES: tuple[str, ...] = tuple(sorted(locale.value for locale in discord.Locale))
BEYOND: dict[str, str] = {
    code: language.own_name for code, language in LANGUAGES.items() if not language.discord_locales
}
"""Code → own name of the languages that Discord's interface has not, whose words can be looked at here all the same."""
FOLLOW_WITHIN = 120.0  # seconds after an action in which a new thread is taken for its outcome


class LivePage:
    """Answers the requests of `static/live.js` for one preview."""

    def __init__(self, preview: LivePreview) -> None:
        self._preview = preview
        self._backend = preview.env.backend
        preview.own_reads["places"] = self.places
        preview.own_actions["live:move"] = self.move
        preview.own_actions["live:locale"] = self.set_locale
        preview.own_actions["live:message-command"] = self.run_message_command

    def places(self, page: str) -> dict[str, Any]:
        """The channels and threads that the page's viewer may read, and what else the frame shows."""
        viewer, here, acted = self._preview.state_of(page)
        readable = self._readable(viewer)
        return {
            "here": str(here),
            "places": [self._describe(channel) for channel in readable],
            "follow": self._thread_to_follow(viewer, here, acted, readable),
            "typing": self._backend.is_typing(here),
            "bot": self._backend.bot_user.name,
            "locale": self._backend.locales.get(viewer.id, "en-US"),
            "locales": LOCALES,
            "beyond": BEYOND,
            "messageCommands": self._message_commands(viewer, here),
        }

    async def move(self, page: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Show another channel or thread."""
        self._preview.move(page, _snowflake(body.get("channel_id")))
        return {}

    async def set_locale(self, page: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the language of the viewer's Discord; the bot is told it with each interaction."""
        locale = body.get("locale")
        if locale not in (*LOCALES, *BEYOND):
            raise SetupError("Discord has no such language")
        viewer, _, _ = self._preview.state_of(page)
        self._backend.set_locale(viewer.id, str(locale))
        return {}

    async def run_message_command(self, page: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Use a command of a message's menu."""
        message_id = _snowflake(body.get("message_id"))
        await self._preview.run_message_command(page, str(body.get("name")), message_id)
        return {}

    def _readable(self, viewer: MemberActor) -> list[Channel]:
        """The text channels, each followed by its threads, newest first."""
        guild = self._backend.guilds[viewer.guild.id]
        threads = [self._backend.channels[key] for key in guild.thread_ids if key in self._backend.channels]
        threads.sort(key=lambda thread: -thread.id)
        found: list[Channel] = []
        for channel_id in guild.channel_ids:
            found.append(self._backend.channels[channel_id])
            found += [thread for thread in threads if thread.parent_id == channel_id]
        env = self._preview.env
        return [channel for channel in found if can_access_channel(env, channel.id, viewer, history=True)]

    def _describe(self, channel: Channel) -> dict[str, Any]:
        return {
            "id": str(channel.id),
            "name": channel.name or "",
            "parent": str(channel.parent_id) if channel.is_thread else None,
            "private": channel.type == discord.ChannelType.private_thread.value,
            "archived": bool(channel.thread_metadata and channel.thread_metadata.archived),
            "last": str(max(self._backend.messages.get(channel.id) or [0])),
        }

    def _thread_to_follow(
        self, viewer: MemberActor, here: int, acted: float, readable: list[Channel]
    ) -> str | None:
        """The viewer's newest thread in this channel, if it opened after what was last done, not long ago."""
        if time.time() - acted > FOLLOW_WITHIN:
            return None
        for thread in readable:
            if thread.thread_metadata is None or thread.parent_id != here:
                continue
            opened = datetime.fromisoformat(thread.thread_metadata.create_timestamp).timestamp()
            if opened >= acted and self._is_for(viewer.id, thread):
                return str(thread.id)
        return None

    def _is_for(self, user_id: int, thread: Channel) -> bool:
        if user_id in thread.thread_members:
            return True
        starter = self._backend.messages.get(thread.parent_id or 0, {}).get(thread.id)
        if starter is None:
            return False
        invoker = ((starter.interaction_metadata or {}).get("user") or {}).get("id")
        return starter.author_id == user_id or str(invoker) == str(user_id)

    def _message_commands(self, viewer: MemberActor, channel_id: int) -> list[str]:
        kind = discord.AppCommandType.message.value
        found = self._backend.visible_commands(user_id=viewer.id, channel_id=channel_id, type=kind)
        return [command["name"] for command in found]


def _snowflake(value: Any) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal():
        raise SetupError("an id is missing")
    return int(value)

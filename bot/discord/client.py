"""The Discord client: puts the cogs and buttons together, starts the dispatcher, and reads up on what was written
while it was away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import discord
from discord.ext import commands

from bot.answers.dispatcher import Dispatcher
from bot.conversations.service import ConversationService
from bot.database.connection import Database
from bot.discord.command_sync import sync_if_changed
from bot.discord.controls import Action, AnswerButton
from bot.discord.opening import StoryStarter
from bot.discord.presses import AnswerPresses
from bot.discord.replies import NOBODY, reply_error
from bot.discord.stage import DiscordStage
from bot.discord.story import StoryCog
from bot.discord.threads import ThreadListener
from bot.discord.translator import CatalogueTranslator
from model.detection import detect_language

log = logging.getLogger(__name__)


def intents() -> discord.Intents:
    """What the bot listens to: its servers, their messages and what is in them."""
    return discord.Intents(guilds=True, guild_messages=True, message_content=True)


PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    create_private_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)


def invite_url(application_id: int) -> str:
    """The link that takes the bot to a server, with the permissions it needs."""
    return discord.utils.oauth_url(
        application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
    )


@dataclass
class Parts:
    """What the client needs of the rest of the bot, made once the client exists."""

    database: Database
    conversations: ConversationService
    stage: DiscordStage
    starter: StoryStarter
    dispatcher: Dispatcher


class FanFabler(commands.Bot):
    """The bot on Discord. `assemble` builds what it works with, given the client itself."""

    def __init__(
        self,
        assemble: Callable[[FanFabler], Parts],
        *,
        http_trace: aiohttp.TraceConfig,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents(),
            allowed_mentions=NOBODY,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            http_trace=http_trace,
        )
        self.parts = assemble(self)
        self._presses = AnswerPresses(self.parts)
        self._listener: ThreadListener | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._started = asyncio.Event()

    async def setup_hook(self) -> None:
        """After login, before the gateway: commands, buttons, and the dispatcher."""
        self.tree.error(reply_error)
        await self.tree.set_translator(CatalogueTranslator())
        self.add_dynamic_items(AnswerButton)
        # Its model takes a third of a second to load, which nobody should wait for.
        await asyncio.to_thread(detect_language, "Once upon a time there was a dragon.")
        self._listener = ThreadListener(self, self.parts)
        await self.add_cog(self._listener)
        await self.add_cog(StoryCog(self, self.parts))
        await sync_if_changed(self.tree, self.parts.database)
        self._dispatching = asyncio.create_task(self.parts.dispatcher.run(), name="dispatcher")
        self._started.set()

    async def failed(self) -> None:
        """Wait for the dispatcher to break, and raise what broke it."""
        await self._started.wait()
        assert self._dispatching is not None  # noqa: S101 -- set before the event
        await asyncio.shield(self._dispatching)

    async def answer_pressed(self, interaction: discord.Interaction, action: Action, answer_id: int) -> None:
        """A button under an answer."""
        try:
            await self._presses.press(interaction, action, answer_id)
        except Exception as error:
            await reply_error(interaction, error)

    async def on_message(self, message: discord.Message, /) -> None:
        """There are no prefix commands; the listener cog takes messages."""

    async def close(self) -> None:
        """Hand running answers back to the queue, then leave."""
        if self._dispatching is not None:
            self._dispatching.cancel()
            await asyncio.gather(self._dispatching, return_exceptions=True)
        await super().close()

"""The Discord client: puts the cogs and buttons together, starts the dispatcher, and reads up on what was written
while it was away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot import request_ids
from bot.answers.dispatcher import Dispatcher
from bot.answers.insight import PromptInsight
from bot.answers.language_check import language_of_opening
from bot.answers.presenter import Pace
from bot.canon import Canon
from bot.conversations.service import ConversationService
from bot.database.connection import Database
from bot.discord.absence import AbsenceReview
from bot.discord.admin import CONTROLS, AdminCog
from bot.discord.admin.access import AdminAccess
from bot.discord.admin.controls import Press
from bot.discord.admin.forms import form_given
from bot.discord.canon_command import CanonCog
from bot.discord.changes import ChangeListener
from bot.discord.command_mentions import CommandMentions
from bot.discord.command_sync import sync_if_changed, sync_operator_guilds
from bot.discord.controls import Action, AnswerButton, StoryButton
from bot.discord.feedback import reason_given
from bot.discord.general import GeneralCog
from bot.discord.help_controls import HelpButton, HelpSelect
from bot.discord.housekeeping import Housekeeping
from bot.discord.moderators import ModeratorReports
from bot.discord.opening import StoryStarter
from bot.discord.operator import OperatorCog
from bot.discord.operator.watch import RunWatch
from bot.discord.permissions import PERMISSIONS
from bot.discord.presses import AnswerPresses
from bot.discord.privacy import PrivacyCog
from bot.discord.rate_limits import finish_requests
from bot.discord.reading import Reader
from bot.discord.replies import NOBODY, reply_error
from bot.discord.stage import DiscordStage
from bot.discord.story import StoryCog
from bot.discord.takedowns import Takedowns
from bot.discord.threads import ThreadListener
from bot.discord.translator import CatalogueTranslator
from bot.discord.welcome import WelcomeCog
from bot.discord.welcome_message import Offer, WelcomeButton
from bot.export.service import Exports
from bot.guilds.administration import Administration
from bot.guilds.ratings import Ratings
from bot.health import Health
from bot.moderation.guard import Guard
from bot.operation.parts import Operation
from bot.privacy.service import PrivacyService
from bot.privacy.subject import DataHolder
from bot.queue.shard import ALL, Shard
from bot.queue.steering import QueueSteering
from bot.statistics.figures import Statistics

log = logging.getLogger(__name__)


def intents() -> discord.Intents:
    """What the bot listens to: its servers, their messages and what is in them."""
    return discord.Intents(guilds=True, guild_messages=True, message_content=True)


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
    insight: PromptInsight
    canon: Canon
    ratings: Ratings
    administration: Administration
    guard: Guard
    exports: Exports
    reports: ModeratorReports
    reader: Reader
    privacy: PrivacyService
    takedowns: Takedowns
    holders: Sequence[DataHolder]
    operation: Operation
    watch: RunWatch
    operator_guilds: Sequence[int]
    admin_access: AdminAccess
    health: Health
    steering: QueueSteering
    statistics: Statistics
    housekeeping: Housekeeping
    pace: Pace
    greets: bool
    mentions: CommandMentions = field(default_factory=CommandMentions)


class _LabellingTree(app_commands.CommandTree[discord.Client]):
    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Called in the task of each command: what it logs bears the interaction's id."""
        request_ids.begin(f"interaction-{interaction.id}")
        return True


class FanFabler(commands.Bot):
    """The bot on Discord. `assemble` builds what it works with, given the client itself."""

    def __init__(
        self,
        assemble: Callable[[FanFabler], Parts],
        *,
        http_trace: aiohttp.TraceConfig,
        shard: Shard = ALL,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            tree_cls=_LabellingTree,
            help_command=None,
            intents=intents(),
            allowed_mentions=NOBODY,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            http_trace=http_trace,
            shard_id=None if shard.is_all else shard.number,
            shard_count=None if shard.is_all else shard.count,
        )
        finish_requests(self.http)
        self.parts = assemble(self)
        self._presses = AnswerPresses(self, self.parts)
        self._admin = AdminCog(self.parts)
        self._operator = OperatorCog(self.parts)
        self._general = GeneralCog(self.parts)
        self._stories = StoryCog(self, self.parts)
        self._welcome = WelcomeCog(
            self,
            self.parts,
            open_settings=self._admin.show_panel,
            begin=self._stories.answer,
        )
        self._listener: ThreadListener | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._started = asyncio.Event()

    async def setup_hook(self) -> None:
        """After login, before the gateway: commands, buttons, and the dispatcher."""
        guilds = await self.register()
        # Its model takes a third of a second to load, which nobody should wait for.
        await asyncio.to_thread(language_of_opening, "Once upon a time there was a dragon.", None)
        await sync_if_changed(self.tree, self.parts.database, mentions=self.parts.mentions)
        await sync_operator_guilds(self.tree, self.parts.database, guilds, self.parts.mentions)
        self._dispatching = asyncio.create_task(self.parts.dispatcher.run(), name="dispatcher")
        self._started.set()

    async def register(self) -> list[discord.Object]:
        """Put commands and buttons in their places, without a word to Discord; returns the operator's servers."""
        self.tree.error(reply_error)
        await self.tree.set_translator(CatalogueTranslator())
        self.add_dynamic_items(AnswerButton, StoryButton, HelpButton, HelpSelect, WelcomeButton, *CONTROLS)
        changes = ChangeListener(self, self.parts)
        self._listener = ThreadListener(self, self.parts, AbsenceReview(self.parts, changes))
        await self.add_cog(self._listener)
        await self.add_cog(changes)
        await self.add_cog(self._stories)
        await self.add_cog(CanonCog(self.parts))
        await self.add_cog(self._general)
        await self.add_cog(self._admin)
        await self.add_cog(PrivacyCog(self, self.parts))
        await self.add_cog(self.parts.reports)
        await self.add_cog(self.parts.takedowns)
        await self.add_cog(self.parts.housekeeping)
        await self.add_cog(self._welcome)
        guilds = [discord.Object(guild_id) for guild_id in self.parts.operator_guilds]
        if guilds:
            await self.add_cog(self._operator, guilds=guilds)
        await self.add_cog(self.parts.watch)
        return guilds

    async def failed(self) -> None:
        """Wait for the dispatcher to break, and raise what broke it."""
        await self._started.wait()
        assert self._dispatching is not None  # noqa: S101 -- set before the event
        await asyncio.shield(self._dispatching)

    async def answer_pressed(self, interaction: discord.Interaction, action: Action, answer_id: int) -> None:
        """A button under an answer."""
        request_ids.begin(f"interaction-{interaction.id}")
        try:
            await self._presses.press(interaction, action, answer_id)
        except Exception as error:
            await reply_error(interaction, error)

    async def story_reopened(self, interaction: discord.Interaction, conversation_id: int) -> None:
        """The button under the note that a story was closed."""
        request_ids.begin(f"interaction-{interaction.id}")
        try:
            await self._presses.reopen(interaction, conversation_id)
        except Exception as error:
            await reply_error(interaction, error)

    async def admin_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """A control of what `/admin` shows."""
        request_ids.begin(f"interaction-{interaction.id}")
        await self._operator.pressed(interaction, press)

    async def help_turned(self, interaction: discord.Interaction, topic: str, step: int) -> None:
        """A control under a page of help."""
        request_ids.begin(f"interaction-{interaction.id}")
        try:
            await self._general.turn_help(interaction, topic, step)
        except Exception as error:
            await reply_error(interaction, error)

    async def welcome_pressed(self, interaction: discord.Interaction, offer: Offer) -> None:
        """A button under a greeting."""
        request_ids.begin(f"interaction-{interaction.id}")
        await self._welcome.pressed(interaction, offer)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """A form was sent in: read from what Discord sends, so that one opened before a restart works after it."""
        if (form := form_given(interaction)) is not None:
            request_ids.begin(f"interaction-{interaction.id}")
            await self._admin.sent(interaction, *form)
            return
        if (given := reason_given(interaction)) is None:
            return
        try:
            await self._presses.explain_dislike(interaction, *given)
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

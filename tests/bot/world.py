"""The whole bot on a simulated Discord, over a real worker process's server with scripted text, for tests.

Nothing of the bot is replaced: discord.py's machinery, the database, the HTTP to the worker are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import discord
from simcord import ChannelHandle, InteractionResult, MemberActor, ResponseMessage
from simcord.backend.models import EPHEMERAL_FLAG

from bot.application import Foundation, build_bot
from bot.canon import Canon, DatabasePageCache
from bot.database.connection import Database
from bot.discord.client import FanFabler
from bot.metrics.events import Events
from bot.moderation.service import ModerationService
from bot.operation.forgetting import TrainerHolder
from bot.operation.parts import WorkerClients
from bot.preview.simcord_live import LiveBackend, LiveEnv
from bot.preview.world import GUILD_ID, build_world, find_world
from bot.settings import Settings, revealed
from bot.trainer_client import Trainer, open_trainer_client
from bot.worker_client import OpenAIWorker, open_client
from model.engine.fake import FakeEngine
from model.wikipedia import BundledNotes, WikipediaClient, WithFallback
from tests.model.worker.conftest import Running, fake_model, listening

# What members see as a message: plain ones, replies, and answers to commands; not «opened a thread».
_SPOKEN = (0, 19, 20)
NOWHERE = "http://127.0.0.1:9/{code}/api.php"


@dataclass
class Shown:
    """A message as members see it."""

    id: int
    content: str
    embeds: list[discord.Embed]
    buttons: dict[str, str]
    stored: ResponseMessage = field(repr=False)


@dataclass
class World:
    """The bot, its Discord, and its worker."""

    bot: FanFabler
    env: LiveEnv
    channel: ChannelHandle
    members: tuple[MemberActor, ...]
    engine: FakeEngine

    @property
    def threads(self) -> list[int]:
        """Ids of the threads there are, oldest first."""
        return sorted(i for i, channel in self.env.backend.channels.items() if channel.type in (11, 12))

    def handle(self, channel_id: int) -> ChannelHandle:
        """A thread, for members to write in."""
        guild = self.channel.guild
        return ChannelHandle(self.env, guild, self.env.backend.channels[channel_id])

    def shown(self, channel_id: int) -> list[Shown]:
        """The messages of the bot in a channel or thread, oldest first."""
        return [
            _shown(ResponseMessage(self.env, message))
            for message in self.env.backend.messages.get(channel_id, {}).values()
            if self.bot.user is not None
            and message.author_id == self.bot.user.id
            and message.type in _SPOKEN
            and not message.flags & EPHEMERAL_FLAG
        ]

    def texts(self, channel_id: int) -> list[str]:
        """Their contents."""
        return [message.content for message in self.shown(channel_id)]

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait for something that the bot does by itself."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            seen = {thread: self.shown(thread) for thread in self.threads}
            raise AssertionError(f"it did not happen; the threads show {seen}") from None

    async def start_story(self, prompt: str, member: int = 0, **options: str) -> int:
        """`/story start`, until its thread is there; returns the thread's id."""
        before = set(self.threads)
        await self.members[member].slash(self.channel, "story start", prompt=prompt, **options)
        await self.until(lambda: set(self.threads) - before)
        (thread,) = set(self.threads) - before
        return thread

    async def answered(self, thread: int, count: int = 1) -> list[Shown]:
        """Wait until `count` answers in a thread are finished; returns all the bot's messages there."""
        await self.until(
            lambda: (
                sum("Go on" in m.buttons or "Weiter" in m.buttons for m in self.shown(thread)) >= count
                and self.bot.parts.dispatcher.running == 0
            )
        )
        return self.shown(thread)

    async def reply(self, result: InteractionResult) -> str:
        """What the bot answered to a command or a press, once it has."""
        await self.until(lambda: _said(result))
        return _said(result)

    async def press(self, message: Shown, label: str, member: int = 0) -> InteractionResult:
        """Press a button, by its label or emoji."""
        return await self.members[member].click(message.stored, custom_id=message.buttons[label])


def _said(result: InteractionResult) -> str:
    # Of a press that was only acknowledged, the response is the message that was pressed.
    own = [result.response] if result.response and not result.deferred else []
    messages = [*own, *result.followups]
    texts = [text for m in messages for text in (m.content, *(e.description for e in m.embeds))]
    return "\n".join(text for text in texts if text)


def _shown(message: ResponseMessage) -> Shown:
    buttons = {
        str(item.get("label") or item["emoji"]["name"]): str(item["custom_id"])
        for row in message.components
        for item in row.get("components", ())
        if not item.get("disabled")
    }
    return Shown(message.id, message.content, message.embeds, buttons, message)


@asynccontextmanager
async def worker(engine: FakeEngine) -> AsyncIterator[Running]:
    """A worker that answers with the engine's text, by real HTTP."""
    async with listening([fake_model(engine)]) as running:
        yield running


@asynccontextmanager
async def open_world(
    database: Database,
    engine: FakeEngine,
    *,
    backend: LiveBackend | None = None,
    worker_url: str | None = None,
    moderation: ModerationService | None = None,
    events: Events | None = None,
    trainer_url: str | None = None,
    operators: bool = False,
    **settings: object,
) -> AsyncIterator[World]:
    """The bot logged in, in a server with one channel and three members, of whom the first runs the bot. With
    `operators`, the server is the operator's."""
    # A title would be one more request to the engine, in whose script every test would have to count it in.
    values = {"wikipedia_url": NOWHERE, "thread_titles": False, "greet_servers": False, **settings}
    if operators:
        values["operator_guild_ids"] = (GUILD_ID,)
    chosen = Settings(_env_file=None, **values)  # type: ignore[arg-type, call-arg]
    async with (
        worker(engine) as running,
        open_client(worker_url or f"{running.url}/v1", None) as client,
        open_client(worker_url or f"{running.url}/v1", revealed(chosen.worker_admin_token)) as admin,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as stack,
    ):
        told = (
            await stack.enter_async_context(open_trainer_client(trainer_url, None)) if trainer_url else None
        )
        trainer = Trainer(told)
        cache = DatabasePageCache(database)
        wikipedia = WikipediaClient(
            session, user_agent=chosen.wikipedia_user_agent, url_template=chosen.wikipedia_url, cache=cache
        )
        foundation = Foundation(
            chosen,
            database,
            OpenAIWorker(client, slots=chosen.worker_slots),
            Canon(WithFallback(wikipedia, BundledNotes()), events),
            WorkerClients(client, admin),
            moderation,
            (TrainerHolder(database, trainer),),
            trainer,
            events or Events(),
        )
        bot = build_bot(foundation)
        env = LiveEnv(bot, backend)
        place = find_world(env) or build_world(env, ["Ada", "Ben", "Cai"])
        bot.owner_id = place.members[0].id
        await env.start()
        try:
            yield World(bot, env, place.channel, place.members, engine)
        finally:
            await env.close_bot()
            await env.shutdown()

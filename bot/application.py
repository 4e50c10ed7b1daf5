"""The composition root: builds everything a bot process needs, hands it on through constructors, and takes it down
in order. `bot run` and `bot preview` differ only in the Discord they log in to."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from bot.answers.dispatcher import Dispatcher
from bot.answers.generation import Generator
from bot.answers.presenter import Pace
from bot.answers.store import AnswerStore
from bot.answers.writer import Writer
from bot.canon import Canon, DatabasePageCache
from bot.conversations.service import ConversationService
from bot.database.connection import Database, open_database
from bot.database.schema import upgrade
from bot.discord.client import FanFabler, Parts
from bot.discord.opening import StoryStarter
from bot.discord.rate_limits import rate_limit_trace
from bot.discord.stage import DiscordStage
from bot.local_worker import local_worker
from bot.queue.repository import Limits, new_owner
from bot.settings import Settings
from bot.worker_client import OpenAIWorker, Worker, open_client
from model.wikipedia import BundledNotes, WikipediaClient, WithFallback

log = logging.getLogger(__name__)


@dataclass
class Foundation:
    """What outlives any one Discord client: the database, the worker, the canon."""

    settings: Settings
    database: Database
    worker: Worker
    canon: Canon


@asynccontextmanager
async def open_foundation(
    settings: Settings, *, worker_arguments: tuple[str, ...] = ()
) -> AsyncIterator[Foundation]:
    """Open and migrate the database, reach the worker (starting a local one where none is named), and Wikipedia."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database_url))
        await upgrade(database)
        url = settings.worker_url
        token = settings.worker_token.get_secret_value() if settings.worker_token else None
        if url is None:
            local = await stack.enter_async_context(local_worker(settings.preset, arguments=worker_arguments))
            await local.wait_ready()
            url, token = local.url, local.token
        client = await stack.enter_async_context(open_client(url, token))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        wikipedia = WikipediaClient(
            session,
            user_agent=settings.wikipedia_user_agent,
            url_template=settings.wikipedia_url,
            cache=DatabasePageCache(database),
        )
        stack.push_async_callback(wikipedia.close)
        canon = Canon(WithFallback(wikipedia, BundledNotes()))
        worker = OpenAIWorker(client, model=settings.worker_model, slots=settings.worker_slots)
        yield Foundation(settings, database, worker, canon)


def build_bot(foundation: Foundation) -> FanFabler:
    """The Discord client over a foundation."""
    settings = foundation.settings
    limits = Limits(settings.queue_limit, settings.member_limit, settings.member_concurrency)
    pace = Pace()

    def assemble(client: FanFabler) -> Parts:
        stage = DiscordStage(client, foundation.database)
        store = AnswerStore(foundation.database, limits, new_owner())
        generator = Generator(foundation.worker, store, pace, max_tokens=settings.max_answer_tokens)
        writer = Writer(store, generator, foundation.canon, stage, pace)
        dispatcher = Dispatcher(
            foundation.database, store, writer, limits, lease=timedelta(seconds=settings.lease_seconds)
        )
        conversations = ConversationService(foundation.database, limits, dispatcher.wake)
        starter = StoryStarter(conversations, stage)
        return Parts(foundation.database, conversations, stage, starter, dispatcher)

    return FanFabler(assemble, http_trace=rate_limit_trace(pace.observe))

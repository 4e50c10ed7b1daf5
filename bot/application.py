"""The composition root: builds everything a bot process needs, hands it on through constructors, and takes it down
in order. `bot run` and `bot preview` differ only in the Discord they log in to."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import aiohttp

from bot.answers.dispatcher import Dispatcher
from bot.answers.generation import Generator
from bot.answers.insight import PromptInsight
from bot.answers.presenter import Pace
from bot.answers.rules import AnswerRules
from bot.answers.store import AnswerStore
from bot.answers.summary import Summariser
from bot.answers.title import Entitler
from bot.answers.writer import FollowUp, Writer
from bot.canon import Canon, DatabasePageCache
from bot.conversations.service import ConversationService
from bot.database.connection import Database, open_database
from bot.database.presence import serving
from bot.database.retention import Retention, Terms
from bot.database.schema import upgrade
from bot.discord.admin.access import AdminAccess
from bot.discord.client import FanFabler, Parts
from bot.discord.housekeeping import Housekeeping
from bot.discord.moderators import ModeratorReports
from bot.discord.opening import StoryStarter
from bot.discord.operator.watch import RunWatch
from bot.discord.rate_limits import rate_limit_trace
from bot.discord.reading import Reader
from bot.discord.stage import DiscordStage
from bot.discord.takedowns import Takedowns
from bot.export.service import Exports
from bot.guilds.administration import Administration
from bot.guilds.ratings import Ratings
from bot.health import Health, ask_wikipedia
from bot.local_worker import local_worker
from bot.metrics.events import Events
from bot.moderation.guard import Guard
from bot.moderation.opening import open_moderation
from bot.moderation.service import ModerationService
from bot.operation.forgetting import TrainerHolder
from bot.operation.parts import WorkerClients, build_operation
from bot.privacy.deletion_log import DeletionLog, log_path
from bot.privacy.service import PrivacyService, keep_promises, keep_withdrawals
from bot.privacy.subject import DataHolder
from bot.queue.repository import Limits, new_owner
from bot.queue.shard import Shard
from bot.queue.steering import QueueSteering
from bot.settings import Settings, revealed
from bot.statistics.figures import Statistics
from bot.trainer_client import Trainer, open_trainer_client
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
    clients: WorkerClients
    moderation: ModerationService | None = None
    holders: Sequence[DataHolder] = ()
    trainer: Trainer = field(default_factory=lambda: Trainer(None))
    events: Events = field(default_factory=Events)


@asynccontextmanager
async def open_foundation(
    settings: Settings, *, worker_arguments: tuple[str, ...] = (), holders: Sequence[DataHolder] = ()
) -> AsyncIterator[Foundation]:
    """Open and migrate the database, carry out the deletions that it lacks, reach the worker (starting a local one
    where none is named), and Wikipedia. `holders` are the places beside the database where members' data lies."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database_url))
        await stack.enter_async_context(serving(settings.database_url))
        await upgrade(database)
        trainer = await stack.enter_async_context(_open_trainer(settings))
        holders = [*holders, TrainerHolder(database, trainer)]
        await keep_promises(database, DeletionLog(log_path(settings)), holders)
        await keep_withdrawals(database, DeletionLog(log_path(settings)))
        url, token = settings.worker_url, revealed(settings.worker_token)
        admin_token = revealed(settings.worker_admin_token) or token
        if url is None:
            given = revealed(settings.worker_admin_token)
            local = await stack.enter_async_context(
                local_worker(settings.preset, arguments=worker_arguments, admin_token=given)
            )
            await local.wait_ready()
            url, token, admin_token = local.url, local.token, local.admin_token
        client = await stack.enter_async_context(open_client(url, token))
        admin = await stack.enter_async_context(open_client(url, admin_token))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        wikipedia = WikipediaClient(
            session,
            user_agent=settings.wikipedia_user_agent,
            url_template=settings.wikipedia_url,
            cache=DatabasePageCache(database, timedelta(days=settings.retain_pages_days)),
        )
        stack.push_async_callback(wikipedia.close)
        events = _events(settings)
        canon = Canon(WithFallback(wikipedia, BundledNotes()), events)
        worker = OpenAIWorker(client, model=settings.worker_model, slots=settings.worker_slots)
        moderation = await stack.enter_async_context(open_moderation(settings))
        clients = WorkerClients(client, admin)
        yield Foundation(settings, database, worker, canon, clients, moderation, holders, trainer, events)


@asynccontextmanager
async def _open_trainer(settings: Settings) -> AsyncIterator[Trainer]:
    if settings.trainer_url is None:
        yield Trainer(None)
        return
    async with open_trainer_client(settings.trainer_url, revealed(settings.trainer_token)) as client:
        yield Trainer(client)


def build_bot(foundation: Foundation) -> FanFabler:
    """The Discord client over a foundation."""
    settings = foundation.settings
    limits = _limits(settings)
    pace = Pace()
    shard = Shard(settings.shard_id, settings.shard_count)

    def assemble(client: FanFabler) -> Parts:
        stage = DiscordStage(client, foundation.database)
        store = AnswerStore(foundation.database, limits, new_owner(), foundation.events, shard)
        reports = ModeratorReports(client, foundation.database)
        guard = Guard(
            foundation.database,
            foundation.moderation,
            required=settings.moderation_required,
            on_report=reports.wake,
        )
        operation = build_operation(
            foundation.database,
            foundation.worker,
            foundation.clients,
            foundation.trainer,
            own_model=settings.worker_model,
            max_answer_tokens=settings.max_answer_tokens,
        )
        worker = operation.worker
        generator = Generator(worker, store, pace, guard, max_tokens=settings.max_answer_tokens)
        rules = AnswerRules(foundation.database, store, guard)
        follow_ups: list[FollowUp] = []
        if settings.thread_titles:
            follow_ups.append(Entitler(foundation.database, worker, stage, guard))
        follow_ups.append(Summariser(worker, store, guard, max_answer_tokens=settings.max_answer_tokens))
        writer = Writer(
            store, generator, foundation.canon, stage, pace, rules, follow_ups, operation.runs.absence
        )
        dispatcher = Dispatcher(
            foundation.database, store, writer, limits, lease=timedelta(seconds=settings.lease_seconds)
        )
        conversations = ConversationService(
            foundation.database, limits, dispatcher.wake, guard=guard, events=foundation.events
        )

        async def stop(answer_id: int) -> None:
            dispatcher.stop(answer_id)
            await conversations.stop(answer_id)

        privacy = PrivacyService(
            foundation.database, DeletionLog(log_path(settings)), holders=foundation.holders, stop=stop
        )
        reader = Reader(settings.attachment_limit_kb * 1024)
        starter = StoryStarter(conversations, stage)
        return Parts(
            foundation.database,
            conversations,
            stage,
            starter,
            dispatcher,
            PromptInsight(foundation.database, worker, max_answer_tokens=settings.max_answer_tokens),
            foundation.canon,
            Ratings(foundation.database, moderated=guard.moderated),
            Administration(foundation.database),
            guard=guard,
            exports=Exports(foundation.database, worker, guard),
            reports=reports,
            reader=reader,
            privacy=privacy,
            takedowns=Takedowns(client, foundation.database),
            holders=foundation.holders,
            admin_access=AdminAccess(settings.operator_guild_ids),
            health=Health(
                foundation.database,
                foundation.worker,
                limits,
                wikipedia=partial(ask_wikipedia, settings),
                moderation=foundation.moderation,
                latency=lambda: client.latency,
            ),
            housekeeping=Housekeeping(client, Retention(foundation.database, Terms.of(settings))),
            pace=pace,
            statistics=Statistics(foundation.database),
            operation=operation,
            watch=RunWatch(client, operation),
            operator_guilds=settings.operator_guild_ids,
            greets=settings.greet_servers,
            steering=QueueSteering(
                foundation.database,
                limits,
                wake=dispatcher.wake,
                stopped=dispatcher.stopped,
                events=foundation.events,
            ),
        )

    def observe(method: str, path: str, status: int, headers: Mapping[str, str]) -> None:
        pace.observe(method, path, status, headers)
        foundation.events.discord_answered(method, status, headers.get("X-RateLimit-Scope"))

    return FanFabler(assemble, http_trace=rate_limit_trace(pace.begins, observe), shard=shard)


def _events(settings: Settings) -> Events:
    """What counts, where somebody asks for it."""
    if settings.metrics_port is None:
        return Events()
    from bot.metrics.prometheus import PrometheusEvents

    return PrometheusEvents()


@asynccontextmanager
async def telling_metrics(foundation: Foundation, bot: FanFabler) -> AsyncIterator[str | None]:
    """Answer Prometheus, where METRICS_PORT is set, until the block ends; gives the address.

    Raises:
        SettingsError: the port cannot be had, or others could reach it without a token.
    """
    from bot.metrics.prometheus import Exposition, PrometheusEvents
    from bot.metrics.server import serving_metrics

    settings, events = foundation.settings, foundation.events
    if settings.metrics_port is None or not isinstance(events, PrometheusEvents):
        yield None
        return
    told = Exposition(
        events,
        foundation.database,
        _limits(settings),
        latency=lambda: bot.latency,
        ready=bot.is_ready,
        writing=lambda: bot.parts.dispatcher.running,
    )
    token = revealed(settings.metrics_token)
    async with serving_metrics(
        told, host=settings.metrics_host, port=settings.metrics_port, token=token
    ) as address:
        yield address


def _limits(settings: Settings) -> Limits:
    return Limits(settings.queue_limit, settings.member_limit, settings.member_concurrency)

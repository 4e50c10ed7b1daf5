"""`python -m bot doctor`: looks at each part the bot needs and says how to mend what is wrong. Changes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import discord
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bot.database.connection import open_database
from bot.database.schema import head_revision
from bot.database.tables import Direction
from bot.discord.client import invite_url
from bot.discord.permissions import PERMISSIONS
from bot.errors import BotError, SettingsError
from bot.findings import Finding, Verdict
from bot.moderation.opening import open_moderation
from bot.moderation.service import ModerationAway, Passage
from bot.privacy.deletion_log import log_path
from bot.running import PORTAL, point_elsewhere
from bot.settings import Settings, revealed, without_login
from bot.trainer import TrainerError
from bot.trainer_client import Trainer, open_trainer_client
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.errors import ModelError
from model.machine import this_machine
from model.preflight import check, default_preset, weights_state
from model.preset import load_preset
from model.settings import WorkerSettings

_PATIENCE = 20.0
_PAGE = 200


async def examine(settings: Settings) -> list[Finding]:
    """Look at every part, all at the same time."""
    examinations: list[tuple[str, Callable[[Settings], Awaitable[list[Finding]]]]] = [
        ("Discord", _discord),
        ("Database", _database),
        ("Deletion log", _deletion_log),
        ("Worker", _worker),
        ("Trainer", _trainer),
        ("Wikipedia", _wikipedia),
        ("Moderation", _moderation),
    ]
    results = await asyncio.gather(*(_patiently(part, look(settings)) for part, look in examinations))
    return [finding for findings in results for finding in findings]


async def _patiently(part: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await looking
    except TimeoutError:
        remedy = "Is it overloaded, or does a firewall swallow what is sent to it?"
        return [Finding(part, Verdict.BAD, f"no answer within {_PATIENCE:.0f} seconds", remedy)]


async def _discord(settings: Settings) -> list[Finding]:
    if settings.discord_token is None:
        remedy = f"Make an application at {PORTAL}, reset its token under Bot, and put it into .env."
        return [Finding("Discord token", Verdict.BAD, "DISCORD_TOKEN is not set", remedy)]
    point_elsewhere(settings)
    client = discord.Client(intents=discord.Intents.none())
    try:
        async with client:
            await client.login(settings.discord_token.get_secret_value())
            application = await client.application_info()
            guilds = await _guilds(client)
            return [
                Finding("Discord token", Verdict.GOOD, f"logged in as {client.user}"),
                _intent(application),
                *_portal(application),
                *_permissions(application.id, guilds),
                *_operator_servers(settings, application.id, guilds),
                *_shards(settings, (await client.http.get_bot_gateway())[0]),
            ]
    except discord.LoginFailure:
        return [
            Finding("Discord token", Verdict.BAD, "Discord refuses it", f"Reset it at {PORTAL}, under Bot.")
        ]
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        return [
            Finding(
                "Discord", Verdict.BAD, f"out of reach: {error}", "Is there a way to discord.com from here?"
            )
        ]


async def _guilds(client: discord.Client) -> list[Mapping[str, Any]]:
    """All servers it is in. discord.py's model of one leaves out what we may do there; the answer itself has it."""
    found: list[Mapping[str, Any]] = []
    while True:
        after = int(found[-1]["id"]) if found else None
        page = await client.http.get_guilds(_PAGE, after=after, with_counts=False)
        found += page
        if len(page) < _PAGE:
            return found


def _intent(application: discord.AppInfo) -> Finding:
    flags = application.flags
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return Finding("Message content intent", Verdict.GOOD, "switched on")
    return Finding(
        "Message content intent",
        Verdict.BAD,
        "switched off, so the bot cannot read what members write",
        f"{PORTAL}, your application, Bot, Privileged Gateway Intents: switch on Message Content Intent.",
    )


def _portal(application: discord.AppInfo) -> list[Finding]:
    """Switches of the developer portal that would keep commands or invitations from working."""
    findings = []
    if application.interactions_endpoint_url:
        remedy = f"{PORTAL}, your application, General Information: leave Interactions Endpoint URL empty."
        found = "Discord sends commands and buttons to a web address and not to the bot"
        findings.append(Finding("Interactions", Verdict.BAD, found, remedy))
    if application.bot_require_code_grant:
        remedy = f"{PORTAL}, your application, Bot: switch Requires OAuth2 Code Grant off."
        findings.append(Finding("Invitation", Verdict.BAD, "the invite link does not work", remedy))
    return findings


def _operator_servers(
    settings: Settings, application_id: int, guilds: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    there = {int(guild["id"]) for guild in guilds}
    if not (away := [str(i) for i in settings.operator_guild_ids if i not in there]):
        return []
    found = f"the bot is not in {', '.join(away)}, so there are no operator's commands there"
    remedy = f"Invite it, or mend OPERATOR_GUILD_IDS: {invite_url(application_id)}"
    return [Finding("Operator's servers", Verdict.NOTE, found, remedy)]


def _shards(settings: Settings, recommended: int) -> list[Finding]:
    """Whether the servers are divided as finely as Discord would have it."""
    mine = f"this process is {settings.shard_id} of {settings.shard_count}"
    if settings.shard_count >= recommended:
        return [Finding("Shards", Verdict.GOOD, mine)] if settings.shard_count > 1 else []
    remedy = f"Start {recommended} processes, each with SHARD_COUNT={recommended} and a SHARD_ID of its own from 0."
    return [Finding("Shards", Verdict.NOTE, f"Discord recommends {recommended}; {mine}", remedy)]


def _permissions(application_id: int, guilds: Sequence[Mapping[str, Any]]) -> list[Finding]:
    invite = invite_url(application_id)
    if not guilds:
        return [Finding("Servers", Verdict.NOTE, "the bot is in no server yet", f"Invite it: {invite}")]
    bad = []
    for guild in guilds:
        granted = discord.Permissions(int(guild["permissions"]))
        missing = [name for name, wanted in PERMISSIONS if wanted and not getattr(granted, name)]
        if missing and not granted.administrator:
            found = f"in «{guild['name']}» it lacks {', '.join(missing)}"
            bad.append(Finding("Permissions", Verdict.BAD, found, f"Invite it anew: {invite}"))
    return bad or [
        Finding("Permissions", Verdict.GOOD, f"all there, in {_servers(len(guilds))}", f"Invite: {invite}")
    ]


def _servers(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


async def _database(settings: Settings) -> list[Finding]:
    try:
        async with open_database(settings.database_url, patience=0.0) as database:
            shown = database.engine.url.render_as_string(hide_password=True)
            try:
                async with database.engine.connect() as connection:
                    try:
                        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
                    except SQLAlchemyError:
                        revision = None
            except (SQLAlchemyError, OSError) as error:
                remedy = "Does the folder (SQLite) or the server (PostgreSQL) of DATABASE_URL exist, and may we write?"
                return [Finding("Database", Verdict.BAD, f"{shown}: {type(error).__name__}", remedy)]
    except SettingsError as error:
        remedy = "Mend DATABASE_URL: .env.example shows both forms."
        return [Finding("Database", Verdict.BAD, str(error), remedy)]
    if revision is None:
        remedy = "The first start makes the tables, or now: python -m bot db upgrade"
        return [Finding("Database", Verdict.NOTE, f"{shown} is empty", remedy)]
    if revision != head_revision():
        found = f"{shown} is at revision {revision}, this version has {head_revision()}"
        return [Finding("Database", Verdict.NOTE, found, "The next start migrates it. Make a backup before.")]
    return [Finding("Database", Verdict.GOOD, f"{shown}, revision {revision}")]


async def _deletion_log(settings: Settings) -> list[Finding]:
    """Where deletions of members' data are promised before they are carried out."""

    def writable(path: Path) -> bool:
        return os.access(path if path.exists() else path.parent, os.W_OK)

    path = log_path(settings)
    if await asyncio.to_thread(writable, path):
        return [Finding("Deletion log", Verdict.GOOD, str(path))]
    remedy = "Without it nobody's data can be deleted. Make its folder, or set DELETION_LOG to a file we may write."
    return [Finding("Deletion log", Verdict.BAD, f"{path} cannot be written", remedy)]


async def _worker(settings: Settings) -> list[Finding]:
    if settings.worker_url is None:
        return [await asyncio.to_thread(_local_worker, settings.preset)]
    client = open_client(settings.worker_url, revealed(settings.worker_token))
    async with client:
        worker = OpenAIWorker(client, model=settings.worker_model)
        try:
            info = await worker.describe()
            request = Generation([{"role": "user", "content": "Say hello."}], 8, "doctor")
            said = "".join([piece.text async for piece in worker.write(request)])
        except BotError as error:
            remedy = "Is it running, and are WORKER_URL (ending in /v1) and WORKER_TOKEN right?"
            return [Finding("Worker", Verdict.BAD, f"{without_login(settings.worker_url)}: {error}", remedy)]
    found = f"{info.model}, window of {info.window} tokens, {info.slots} answers at a time; it says {said.strip()!r}"
    return [Finding("Worker", Verdict.GOOD, found)]


def _local_worker(chosen: str | None) -> Finding:
    """Whether the worker that starts with the bot can do so: by what it looks at itself before it loads anything."""
    remedy = (
        "Mend that, or set WORKER_URL to a worker elsewhere. What each preset needs: python -m model models"
    )
    try:
        worker = WorkerSettings(worker_token=None)  # the bot gives it one of its own
        preset = load_preset(chosen or default_preset())
        where: dict[str, Any] = {
            "embedded_source": worker.embedded_model_path,
            "cache": worker.fanfabler_cache,
        }
        # All memory counts as free: most of it may be taken by the worker of a bot that runs already.
        machine = this_machine()
        empty = replace(machine, free_ram=machine.ram, free_gpu_memory=machine.gpu_memory)
        check(preset, **where, machine=empty)
    except ModelError as error:
        return Finding("Worker", Verdict.BAD, str(error), remedy)
    except ValidationError as error:
        faults = "; ".join(f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        return Finding("Worker", Verdict.BAD, faults, remedy)
    found = f"starts on this machine with the bot; preset: {preset.name}, {weights_state(preset, **where)}"
    return Finding("Worker", Verdict.GOOD, found, "What each preset needs: python -m model models")


async def _trainer(settings: Settings) -> list[Finding]:
    """What can be trained there, where a trainer is set."""
    if settings.trainer_url is None:
        return []
    try:
        async with open_trainer_client(settings.trainer_url, revealed(settings.trainer_token)) as client:
            recipes = await Trainer(client).recipes()
    except TrainerError as error:
        remedy = "Is it running, and are TRAINER_URL (ending in /v1) and TRAINER_TOKEN right?"
        return [Finding("Trainer", Verdict.BAD, f"{without_login(settings.trainer_url)}: {error}", remedy)]
    runnable = [recipe.id for recipe in recipes if recipe.runnable]
    if not runnable:
        reasons = "; ".join(f"{recipe.id}: {recipe.reason}" for recipe in recipes if recipe.reason)
        found = f"none of its {len(recipes)} recipes can run on its machine"
        return [Finding("Trainer", Verdict.NOTE, found, reasons or "Set TRAINER_RECIPES where it runs.")]
    if not settings.operator_guild_ids:
        remedy = (
            "Set OPERATOR_GUILD_IDS to your own server: the commands for training are registered only there."
        )
        return [Finding("Trainer", Verdict.NOTE, "it answers, but nobody can ask it from Discord", remedy)]
    return [Finding("Trainer", Verdict.GOOD, f"it can run {', '.join(runnable)}")]


async def _wikipedia(settings: Settings) -> list[Finding]:
    url = settings.wikipedia_url.replace("{code}", "en")
    query = {"action": "query", "meta": "siteinfo", "format": "json"}
    remedy = "Answers come without it, with bundled notes. Is there a way to it from here?"
    try:
        timeout = aiohttp.ClientTimeout(total=8)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            headers = {"User-Agent": settings.wikipedia_user_agent}
            async with session.get(url, params=query, headers=headers) as response:
                if response.status == 403:
                    remedy = "Set WIKIPEDIA_USER_AGENT to a name and contact of your own."
                response.raise_for_status()
                name = (await response.json())["query"]["general"]["sitename"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
        found = f"{without_login(url).split('/')[2]} is out of reach ({type(error).__name__})"
        return [Finding("Wikipedia", Verdict.NOTE, found, remedy)]
    note = "" if "set WIKIPEDIA_USER_AGENT" not in settings.wikipedia_user_agent else (
        "Its policy asks for a contact: set WIKIPEDIA_USER_AGENT."
    )  # fmt: skip
    return [Finding("Wikipedia", Verdict.NOTE if note else Verdict.GOOD, f"{name} answers", note)]


async def _moderation(settings: Settings) -> list[Finding]:
    """One harmless sentence, judged."""
    async with open_moderation(settings) as service:
        if service is None:
            return []
        try:
            found = await service.judge(Passage("A gull flew over the harbour.", Direction.INPUT))
        except ModerationAway as error:
            remedy = (
                "Look at MODERATION_URL (it ends in /v1), MODERATION_TOKEN and MODERATION_MODEL. While it is away, "
                "mature stories wait."
            )
            return [Finding("Moderation", Verdict.BAD, str(error), remedy)]
    if found:
        remedy = "A harmless sentence was flagged. Is MODERATION_MODEL a model for moderation?"
        return [Finding("Moderation", Verdict.BAD, "it flags what is harmless", remedy)]
    return [Finding("Moderation", Verdict.GOOD, f"{without_login(settings.moderation_url or '')} answers")]

"""`python -m bot doctor`: looks at each part the bot needs and says how to mend what is wrong. Changes nothing."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import aiohttp
import discord
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bot.database.connection import open_database
from bot.database.schema import head_revision
from bot.discord.client import PERMISSIONS, invite_url
from bot.errors import BotError
from bot.running import PORTAL, point_elsewhere
from bot.settings import Settings
from bot.worker_client import Generation, OpenAIWorker, open_client

_PATIENCE = 20.0


class Verdict(StrEnum):
    """How a part is."""

    GOOD = "good"
    NOTE = "note"  # works, but worth knowing
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What was found of one part, and what to do about it."""

    part: str
    verdict: Verdict
    found: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Look at every part, all at the same time."""
    examinations: list[tuple[str, Callable[[Settings], Awaitable[list[Finding]]]]] = [
        ("Discord", _discord),
        ("Database", _database),
        ("Worker", _worker),
        ("Wikipedia", _wikipedia),
    ]
    results = await asyncio.gather(*(_patiently(part, look(settings)) for part, look in examinations))
    return [finding for findings in results for finding in findings]


async def _patiently(part: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await looking
    except TimeoutError:
        return [Finding(part, Verdict.BAD, f"no answer within {_PATIENCE:.0f} seconds", "Is it overloaded?")]


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
            # Its model of a server leaves out what we may do there; the answer itself has it.
            guilds = await client.http.get_guilds(200, with_counts=False)
            return [
                Finding("Discord token", Verdict.GOOD, f"logged in as {client.user}"),
                _intent(application),
                *_permissions(application.id, guilds),
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
        Finding("Permissions", Verdict.GOOD, f"all there in {len(guilds)} servers", f"Invite: {invite}")
    ]


async def _database(settings: Settings) -> list[Finding]:
    async with open_database(settings.database_url) as database:
        shown = database.engine.url.render_as_string(hide_password=True)
        try:
            async with database.engine.connect() as connection:
                try:
                    revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
                except SQLAlchemyError:
                    revision = None
        except (SQLAlchemyError, OSError) as error:
            remedy = (
                "Does the folder (SQLite) or the server (PostgreSQL) of DATABASE_URL exist, and may we write?"
            )
            return [Finding("Database", Verdict.BAD, f"{shown}: {type(error).__name__}", remedy)]
    if revision is None:
        return [Finding("Database", Verdict.NOTE, f"{shown} is empty; the first start makes the tables")]
    if revision != head_revision():
        found = f"{shown} is at revision {revision}, this version has {head_revision()}"
        return [Finding("Database", Verdict.NOTE, found, "The next start migrates it. Make a backup before.")]
    return [Finding("Database", Verdict.GOOD, f"{shown}, revision {revision}")]


async def _worker(settings: Settings) -> list[Finding]:
    if settings.worker_url is None:
        missing = [
            name for name in ("torch", "transformers", "peft") if importlib.util.find_spec(name) is None
        ]
        if missing:
            remedy = "pip install 'fanfabler[worker]', or set WORKER_URL to a worker elsewhere."
            return [
                Finding("Worker", Verdict.BAD, f"WORKER_URL is not set, and {missing[0]} is missing", remedy)
            ]
        preset = settings.preset or "the one that fits this machine"
        return [
            Finding("Worker", Verdict.GOOD, f"starts on this machine with the bot; preset: {preset}",
                    "What each preset needs: python -m model models"),
        ]  # fmt: skip
    token = settings.worker_token.get_secret_value() if settings.worker_token else None
    client = open_client(settings.worker_url, token)
    async with client:
        worker = OpenAIWorker(client, model=settings.worker_model)
        try:
            info = await worker.describe()
            request = Generation([{"role": "user", "content": "Say hello."}], 8, "doctor")
            said = "".join([piece.text async for piece in worker.write(request)])
        except BotError as error:
            remedy = "Is it running, and are WORKER_URL (ending in /v1) and WORKER_TOKEN right?"
            return [Finding("Worker", Verdict.BAD, f"{settings.worker_url}: {error}", remedy)]
    found = f"{info.model}, window of {info.window} tokens, {info.slots} answers at a time; it says {said.strip()!r}"
    return [Finding("Worker", Verdict.GOOD, found)]


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
        return [Finding("Wikipedia", Verdict.NOTE, f"out of reach: {type(error).__name__}", remedy)]
    note = "" if "set WIKIPEDIA_USER_AGENT" not in settings.wikipedia_user_agent else (
        "Its policy asks for a contact: set WIKIPEDIA_USER_AGENT."
    )  # fmt: skip
    return [Finding("Wikipedia", Verdict.NOTE if note else Verdict.GOOD, f"{name} answers", note)]


_MARKS = {Verdict.GOOD: "[green]✓[/]", Verdict.NOTE: "[yellow]•[/]", Verdict.BAD: "[red]✗[/]"}


def report(findings: list[Finding], *, as_json: bool) -> int:
    """Print the findings; 1 where something is bad."""
    if as_json:
        sys.stdout.write(json.dumps([asdict(f) for f in findings], indent=2, ensure_ascii=False) + "\n")
    else:
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            table.add_row(_MARKS[finding.verdict], f"[bold]{finding.part}[/]", finding.found)
            if finding.remedy:
                table.add_row("", "", f"[dim]{finding.remedy}[/]")
        Console().print(table)
    return int(any(f.verdict is Verdict.BAD for f in findings))

"""The doctor and the start of the bot, against a Discord over real HTTP: each ailment is named with its remedy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.doctor import Finding, Verdict, examine, report
from bot.running import IntentMissing, LoginFailed, run
from bot.settings import Settings
from model.engine.fake import FakeEngine
from tests.databases import migrate, sqlite_url
from tests.discord_server import DiscordServer, Intent, Permission
from tests.model.worker.conftest import fake_model, listening


@pytest.fixture
async def discord_server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


def settings(server: DiscordServer, folder: Path, **changes: object) -> Settings:
    values: dict[str, object] = {
        "discord_token": server.bot_token,
        "discord_api_base": server.api_base,
        "discord_gateway_url": server.gateway_url,
        "database_url": sqlite_url(folder),
        "worker_url": "http://127.0.0.1:9/v1",
        "wikipedia_url": "http://127.0.0.1:9/{code}",
    }
    return Settings(_env_file=None, **{**values, **changes})  # type: ignore[arg-type, call-arg]


def about(findings: list[Finding], part: str) -> Finding:
    return next(finding for finding in findings if finding.part.startswith(part))


async def test_all_is_well(discord_server: DiscordServer, tmp_path: Path) -> None:
    async def siteinfo(_: web.Request) -> web.Response:
        return web.json_response({"query": {"general": {"sitename": "Wikipedia"}}})

    discord_server.create_guild("Library")
    await migrate(sqlite_url(tmp_path))
    app = web.Application()
    app.router.add_get("/en", siteinfo)
    async with TestServer(app) as wikipedia, listening([fake_model(FakeEngine())]) as worker:
        findings = await examine(
            settings(
                discord_server,
                tmp_path,
                worker_url=f"{worker.url}/v1",
                wikipedia_url=str(wikipedia.make_url("/")) + "{code}",
                wikipedia_user_agent="Library bot (librarian@example.org)",
            )
        )
    assert [finding for finding in findings if finding.verdict is not Verdict.GOOD] == []
    assert "permissions=" in about(findings, "Permissions").remedy, "the invite link"


async def test_each_ailment_has_its_remedy(discord_server: DiscordServer, tmp_path: Path) -> None:
    discord_server.application.enable_only(Intent.GUILDS | Intent.GUILD_MESSAGES)
    guild = discord_server.create_guild("Library")
    guild.set_everyone_permissions(Permission.VIEW_CHANNEL)
    guild.set_bot_permissions(Permission.SEND_MESSAGES)
    findings = await examine(settings(discord_server, tmp_path))
    assert "Message Content Intent" in about(findings, "Message content").remedy
    assert "create_public_threads" in about(findings, "Permissions").found
    assert "oauth2/authorize" in about(findings, "Permissions").remedy
    assert about(findings, "Database").verdict is Verdict.NOTE
    assert "WORKER_URL" in about(findings, "Worker").remedy
    assert about(findings, "Wikipedia").verdict is Verdict.NOTE


async def test_a_wrong_token_is_told(discord_server: DiscordServer, tmp_path: Path) -> None:
    findings = await examine(settings(discord_server, tmp_path, discord_token="MTIz.wrong.token"))
    assert about(findings, "Discord token").verdict is Verdict.BAD
    assert "token" not in about(findings, "Discord token").found.replace("the token", "")


def test_the_report_ends_with_a_status_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Finding("A", Verdict.GOOD, "fine"), Finding("B", Verdict.BAD, "broken", "mend it")
    assert report([good], as_json=False) == 0
    capsys.readouterr()
    assert report([good, bad], as_json=True) == 1
    assert json.loads(capsys.readouterr().out)[1] == {
        "part": "B", "verdict": "bad", "found": "broken", "remedy": "mend it",
    }  # fmt: skip


async def test_run_says_that_the_token_is_wrong(discord_server: DiscordServer, tmp_path: Path) -> None:
    with pytest.raises(LoginFailed, match="Reset Token"):
        async with asyncio.timeout(30):
            await run(settings(discord_server, tmp_path, discord_token="MTIz.wrong.token"))


async def test_run_says_that_the_intent_is_missing(discord_server: DiscordServer, tmp_path: Path) -> None:
    discord_server.application.enable_only(Intent.GUILDS | Intent.GUILD_MESSAGES)
    with pytest.raises(IntentMissing, match="Message Content Intent"):
        async with asyncio.timeout(30):
            await run(settings(discord_server, tmp_path))

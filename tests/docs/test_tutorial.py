"""The tutorial, command by command as it stands on its pages: the preview, a server of one's own (on a Discord of the
tests'), and the rehearsal from the dataset to an answer. Each is played here, or named as one that cannot be."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.discord_server import DiscordServer
from tests.docs.test_commands import ROOT, blocks

FOLDER = ROOT / "docs" / "tutorial"
PAGES = ("preview", "your-server", "your-adapter")
PYTHON = ".venv/bin/python"
COMMAND = re.compile(r"(make|cp) |.*\.venv/bin/")

PREVIEW = ["make preview", f"{PYTHON} -m bot preview --fresh"]
IN_THE_TERMINAL = (
    f'echo "Write two lines about a gull." | {PYTHON} -m model chat --preset embedded --max-tokens 60'
)
SERVER = [
    "cp .env.example .env",
    "make doctor",
    f"{PYTHON} -m bot doctor --json",
    "make run",
    f"WORKER_TOKEN=a-long-secret {PYTHON} -m model serve --host 0.0.0.0 --port 8000",
]
REHEARSAL = [
    f"{PYTHON} -m training stats --no-plots",
    f"{PYTHON} -m training finetune --recipe tiny --limit 20 --name rehearsal",
    f"{PYTHON} -m training runs",
    f"{PYTHON} -m model serve --preset tiny --adapter rehearsal=runs/rehearsal/adapter",
    f'echo "Write a line." | {PYTHON} -m model chat --url http://127.0.0.1:8000/v1 --model rehearsal --max-tokens 20',
]
NOT_PLAYED = {
    ".venv/bin/pip install -e '.[worker,train,embedded]'": "what tests run in has been installed so",
    ".venv/bin/pip install -e '.[worker,train,gpu]'": "what tests run in has been installed so",
    f"{PYTHON} -m training finetune --recipe embedded": "takes one to two hours",
    (
        f"{PYTHON} -m training evaluate --preset embedded --adapter runs/embedded/adapter --languages en,de,ko "
        "--output runs/embedded/evaluation"
    ): "judges what the command before it makes",
    f"{PYTHON} -m training finetune --recipe llama3-8b": "needs a GPU",
    (
        f"{PYTHON} -m training evaluate --preset llama3-8b --adapter runs/llama3-8b/adapter "
        "--output runs/llama3-8b/evaluation"
    ): "needs a GPU",
    f"{PYTHON} -m model serve --preset llama3-8b --adapter mine=runs/llama3-8b/adapter": "needs a GPU",
    (
        f"{PYTHON} -m training export llama3-8b --to gguf --out fanfabler.gguf --llama-cpp ../llama.cpp"
    ): "needs llama.cpp and the adapter",
    (
        f"{PYTHON} -m training publish llama3-8b --repo your-name/Llama-3-FanFabler-8B "
        "--evaluation runs/llama3-8b/evaluation --dry-run"
    ): "needs the adapter",
}


def commands(page: str) -> list[str]:
    """What is to be typed into a terminal, in order."""
    return [line for line in blocks(FOLDER / f"{page}.md") if COMMAND.match(line)]


def test_every_command_is_played_here_or_said_to_be_none_that_can() -> None:
    assert commands("preview") == [*PREVIEW, IN_THE_TERMINAL]
    assert commands("your-server") == SERVER
    assert [line for line in commands("your-adapter") if line not in NOT_PLAYED] == REHEARSAL
    assert set(NOT_PLAYED) < set(commands("your-adapter"))


class Player:
    """A folder in which commands are run as they stand there, with the Python of the tests."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        ours = {
            name: value for name, value in os.environ.items() if "TOKEN" not in name and "_URL" not in name
        }
        self.environment = (
            ours | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100"} | environment
        )

    def lines(self, command: str) -> list[str]:
        """What a command runs: `make` what its target says, once everything is installed."""
        if (target := re.fullmatch(r"make (\w+)", command)) is None:
            return [command]
        recipe = (ROOT / "Makefile").read_text().partition(f"\n{target[1]}: ")[2].partition("\n\n")[0]
        return [re.sub(r"^\t@?(exec )?\$\(BIN\)", ".venv/bin", line) for line in recipe.splitlines()[1:]]

    async def begin(self, line: str, errors: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
        """Run one line, and give its process. `errors`: where what it writes to stderr goes."""
        # The process itself, where there is one, is what Ctrl-C is for.
        whole = line if "|" in line else f"exec env {line}"
        return await asyncio.create_subprocess_exec(
            *("bash", "-c", whole.replace(PYTHON, sys.executable)),
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            # What a shell runs in the background ignores Ctrl-C, and would hand that on.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    async def play(self, command: str, *, status: int = 0) -> str:
        """Run a command to its end; what it says."""
        said = ""
        for line in self.lines(command):
            process = await self.begin(line)
            words, errors = await process.communicate()
            assert process.returncode == status, f"{line}\n{errors.decode()[-3000:]}"
            said += words.decode()
        return said

    @asynccontextmanager
    async def going(self, line: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a line in the background, stdout and stderr as one, and press Ctrl-C in the end."""
        process = await self.begin(line, asyncio.subprocess.STDOUT)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            words, _ = await process.communicate()
        assert process.returncode in {0, 130}, words.decode()[-3000:]


async def until_said(process: asyncio.subprocess.Process, pattern: str) -> str:
    """What the process says first of this form."""
    assert process.stdout is not None
    said = ""
    async for line in process.stdout:
        said += line.decode()
        if found := re.search(pattern, line.decode()):
            return found[0]
    raise AssertionError(said[-3000:])


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.timeout(900)
async def test_the_preview_is_played_as_it_is_written(tmp_path: Path, unused_tcp_port: int) -> None:
    player = Player(tmp_path)
    prepare, preview = player.lines(PREVIEW[0])
    await player.play(prepare)
    for line in (preview, PREVIEW[1]):
        # A port of its own, so that a preview that runs already does not matter.
        async with player.going(f"{line} --port {unused_tcp_port}") as process:
            address = await until_said(process, r"http://127\.0\.0\.1:\d+/\S*")
            async with aiohttp.ClientSession() as browser, browser.get(address) as page:
                assert page.status == 200
                assert "FanFabler" in await page.text()
    assert (tmp_path / ".cache" / "preview").is_dir()
    assert (await player.play(IN_THE_TERMINAL)).strip()


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_server_of_ones_own_is_played_as_it_is_written(tmp_path: Path, unused_tcp_port: int) -> None:
    copy, doctor, as_json, run, worker = SERVER
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    async with DiscordServer() as discord:
        guild = discord.create_guild("Lighthouse")
        channel, member = guild.create_text_channel("stories"), guild.add_member("alice")
        # The tutorial does not say where Discord and Wikipedia are, nor that the model repeats what it is told.
        player = Player(
            tmp_path,
            DISCORD_API_BASE=discord.api_base,
            DISCORD_GATEWAY_URL=discord.gateway_url,
            WIKIPEDIA_URL="http://127.0.0.1:9/{code}",
            PRESET="fake",
        )
        await player.play(copy)
        assert "DISCORD_TOKEN is not set" in await player.play(doctor, status=1)
        env = (tmp_path / ".env").read_text()
        (tmp_path / ".env").write_text(env.replace("DISCORD_TOKEN=", f"DISCORD_TOKEN={discord.bot_token}"))
        assert "permissions=" in await player.play(doctor)
        assert '"verdict": "good"' in await player.play(as_json)
        (line,) = player.lines(run)
        async with player.going(line):
            await discord.gateway.connected(timeout=120)
            await member.slash(channel, "story start", prompt="A lighthouse keeper finds a letter.")
            thread = await discord.wait_for(lambda: channel.threads and channel.threads[0], 60, "the thread")
            await discord.wait_for(
                lambda: any("👍" in message.buttons for message in thread.written), 60, "a finished answer"
            )
        served = worker.replace("--port 8000", f"--port {unused_tcp_port}")
        async with player.going(served) as process:
            await until_said(process, "worker ready")
            async with aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as session:
                async with session.get("/v1/models") as refused:
                    assert refused.status == 401
                token = {"Authorization": "Bearer a-long-secret"}
                async with session.get("/v1/models", headers=token) as answered:
                    assert answered.status == 200


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_the_rehearsal_is_played_as_it_is_written(tmp_path: Path, unused_tcp_port: int) -> None:
    player = Player(tmp_path)
    stats, finetune, runs, serve, chat = REHEARSAL
    assert "800" in await player.play(stats)
    await player.play(finetune)
    assert (tmp_path / "runs" / "rehearsal" / "adapter" / "adapter_model.safetensors").exists()
    assert "rehearsal" in await player.play(runs)
    async with player.going(f"{serve} --port {unused_tcp_port}") as process:
        await until_said(process, "worker ready")
        assert (await player.play(chat.replace("127.0.0.1:8000", f"127.0.0.1:{unused_tcp_port}"))).strip()

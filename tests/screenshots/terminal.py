"""What the programs show on a terminal: run on a real one, and drawn as rich draws it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from model.engine.fake import FakeEngine
from tests.browser import Chromium
from tests.discord_server import DiscordServer, Intent
from tests.model.worker.conftest import fake_model, listening
from tests.screenshots.files import keep

ROOT = Path(__file__).parents[2]
COLUMNS, ROWS = 100, 60
PATIENCE = 900.0  # seconds
RUN = ("--recipe", "tiny", "--limit", "60")
"""A run that takes a minute or two."""
_TOKEN = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)|(\r)|(\n)")
_THEME = TerminalTheme(
    (30, 31, 34),
    (226, 228, 232),
    [
        (59, 62, 70), (240, 113, 120), (125, 200, 130), (233, 184, 114), (111, 179, 211), (192, 148, 240),
        (110, 200, 200), (226, 228, 232),
    ],
    [
        (120, 126, 138), (250, 140, 145), (150, 220, 155), (245, 205, 145), (140, 200, 235), (210, 175, 250),
        (140, 220, 220), (255, 255, 255),
    ],
)  # fmt: skip


class Screen:
    """The lines of a terminal, with their colours as they came. Programs here write whole lines and go back up to
    write them anew, as rich's live displays do; nothing else is understood."""

    def __init__(self) -> None:
        self.lines = [""]
        self._row = 0
        self._fresh = False

    def feed(self, text: str) -> None:
        """Take what a program wrote."""
        end = 0
        for found in _TOKEN.finditer(text):
            self._write(text[end : found.start()])
            end = found.end()
            count = int((found[1] or "").split(";")[0] or 1)
            if found[4]:
                self._row += 1
                self._fresh = False
                while len(self.lines) <= self._row:
                    self.lines.append("")
            elif found[3]:
                self._fresh = True
            elif found[2] == "A":
                self._row = max(0, self._row - count)
            elif found[2] == "K":
                self.lines[self._row], self._fresh = "", False
            elif found[2] == "m":
                self._write(found[0], visible=False)
        self._write(text[end:])

    def _write(self, text: str, *, visible: bool = True) -> None:
        if not text:
            return
        if self._fresh and visible:
            self.lines[self._row], self._fresh = "", False
        self.lines[self._row] += text

    @property
    def text(self) -> str:
        """What can be read."""
        return Text.from_ansi("\n".join(self.lines)).plain


@asynccontextmanager
async def running(arguments: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[int]:
    """A command on a terminal of its own; the terminal's other end. Ended with Ctrl-C at the end of the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "OMP_NUM_THREADS": "2", **environment},
    )  # fmt: skip
    os.close(theirs)
    try:
        yield ours
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        os.close(ours)


async def show(
    command: Sequence[str],
    until: Callable[[str], bool],
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """The terminal's lines once what can be read on it satisfies `until`, or the command has ended."""
    screen = Screen()
    async with running([sys.executable, *command], environment or {}) as terminal, asyncio.timeout(PATIENCE):
        pending = b""
        while not until(screen.text):
            try:
                pending += await asyncio.to_thread(os.read, terminal, 65536)
            except OSError:  # it has ended
                break
            if not pending:
                break
            text = pending.decode(errors="ignore")
            pending = b""
            screen.feed(text.replace("\r\n", "\n"))
    return screen.lines


async def finetune(browser: Chromium, folder: Path) -> None:
    """A short run, in its midst."""
    said = ("-m", "training", "finetune", *RUN)
    command = (*said, "--runs", str(folder), "--threads", "1")
    lines = await show(command, lambda text: re.search(r"step 10: .* 1[2-9]/", text, re.DOTALL) is not None)
    shown = [line.replace(str(folder), "runs") for line in lines]
    await draw(browser, [f"$ python {' '.join(said)}", *shown], "finetune", "finetune", folder)


async def doctor(browser: Chromium, folder: Path) -> None:
    """An intent that is switched off, and Wikipedia out of reach."""
    async with DiscordServer() as server, listening([fake_model(FakeEngine())]) as worker:
        server.application.enable_only(Intent.GUILDS | Intent.GUILD_MESSAGES)
        server.create_guild("Library")
        environment = {
            "DISCORD_TOKEN": server.bot_token,
            "DISCORD_API_BASE": server.api_base,
            "DISCORD_GATEWAY_URL": server.gateway_url,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'fanfabler.db'}",
            "WORKER_URL": f"{worker.url}/v1",
            "WIKIPEDIA_URL": "http://127.0.0.1:9/{code}",
        }
        lines = await show(("-m", "bot", "doctor"), lambda _: False, environment)
    shown = [line.replace(f"{folder}/", "") for line in lines]
    await draw(browser, ["$ make doctor", *shown], "doctor", "doctor", folder)


async def draw(browser: Chromium, lines: Sequence[str], title: str, name: str, folder: Path) -> None:
    """The lines in a window, as a PNG."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi("\n".join(lines).strip("\n")), soft_wrap=True)
    svg = console.export_svg(title=title, theme=_THEME)
    found = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', svg)
    assert found is not None
    width, height = (round(float(number)) for number in found.groups())
    source = folder / f"{name}.html"
    source.write_text(
        "<!doctype html><meta charset='utf-8'><style>body{margin:0;background:#1e1f22}svg{display:block}"
        f"</style>{svg}",
        encoding="utf-8",
    )
    page = await browser.open(f"file://{source}", width=width, height=height)
    await page.find("svg")
    await page.resize(width, height)
    print("wrote", keep(await page.screenshot(folder / f"{name}.png"), name, flat=True))  # noqa: T201

"""`python -m model chat` as a person meets it: typed into in a terminal, or at the end of a pipe."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from model.terminal.settings import ChatSettings
from tests.model.terminal.conftest import Served
from tests.model.worker.conftest import until

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name.upper() not in {*map(str.upper, ChatSettings.model_fields), "XDG_STATE_HOME"}
} | {"TERM": "xterm-256color"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "model", "chat", "--offline", *arguments]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


async def pipe(text: str, *arguments: str, folder: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=ENVIRONMENT | {"XDG_STATE_HOME": str(folder)},
    )
    out, aside = await asyncio.wait_for(process.communicate(text.encode()), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), aside.decode()


def processes_with(text: str) -> list[str]:
    """The processes whose environment has this text in it."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if text.encode() in environment.read_bytes():
                found.append(environment.parent.name)
    return found


class Terminal:
    """A chat in a terminal of 100 columns, and all that it has shown."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self._master = master
        self._raw = b""
        self._seen = 0

    @property
    def shown(self) -> str:
        return _ANSI.sub("", self._raw.decode(errors="replace"))

    def read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self._raw += data
        if b"\x1b[6n" in data:  # where the cursor is: at the top
            os.write(self._master, b"\x1b[1;1R")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def expect(self, text: str, seconds: float = 30.0) -> None:
        """Wait until this is shown, after what was expected before."""

        def found() -> bool:
            return text in self.shown[self._seen :]

        try:
            await until(found, seconds)
        except TimeoutError:
            pytest.fail(f"{text!r} was not shown, but: {self.shown[self._seen :]!r}")
        self._seen = self.shown.index(text, self._seen) + len(text)

    async def ask(self, line: str) -> None:
        """Wait for the prompt, and enter a line."""
        await self.expect("· /help")  # the toolbar, which is drawn last
        self.type(line + "\r")


@asynccontextmanager
async def terminal(folder: Path, *arguments: str) -> AsyncIterator[Terminal]:
    """A chat in a terminal of its own, which is the one that Ctrl-C comes from."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *command(*arguments),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=ENVIRONMENT | {"XDG_STATE_HOME": str(folder)},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    screen = Terminal(process, master)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, screen.read)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        loop.remove_reader(master)
        os.close(master)


async def test_a_conversation_in_the_terminal_with_a_look_up_and_an_adapter(folder: Path, served: Served):
    async with terminal(folder, "--url", served.url) as screen:
        await screen.expect("fake writes.")
        await screen.ask("/model gpt-9")
        await screen.expect("The worker has no model 'gpt-9'; it has: fake, fanfic.")
        await screen.ask("/model fanfic")
        await screen.expect("fanfic writes from now on.")
        await screen.ask("A scene in the snow.\x1b\r!lookup Hoth | en")
        await screen.expect("\nA scene in the snow.\n")
        await screen.expect("🔎 Hoth (en)")
        await screen.expect("FanFabler's own notes · CC BY-SA 4.0")
        assert ">>>" not in screen.shown
        await screen.ask("And then?")
        await screen.expect("[End of notes]")
        await screen.ask("\x04")
        assert await asyncio.wait_for(screen.process.wait(), 10) == 0
    assert served.adapter.requests[1].messages[-1][1].startswith("[Notes]\nHoth (en)\n")
    assert served.base.requests == []


async def test_ctrl_c_stops_the_answer_and_not_the_program(folder: Path, served: Served):
    async with terminal(folder, "--url", served.url) as screen:
        await screen.ask("!words 300")
        await screen.expect("Lorem ipsum dolor")
        screen.type("\x03")
        await screen.expect("⏹ stopped")
        await until(lambda: served.base.load.running == 0)
        await screen.ask("\x03still here")
        await screen.expect("\nstill here\n")
        await screen.ask("/quit")
        assert await asyncio.wait_for(screen.process.wait(), 10) == 0


async def test_piped_text_is_one_message_and_the_next_pipe_goes_on_with_it(folder: Path, served: Served):
    status, out, aside = await pipe("two\nlines\n", "--url", served.url, "--model", "fanfic", folder=folder)
    assert (status, out, aside) == (0, "two\nlines\n", "")
    status, out, _ = await pipe("second", "--url", served.url, "--continue", folder=folder)
    assert (status, out) == (0, "second\n")
    assert [role for role, _ in served.base.requests[0].messages] == ["system", "user", "assistant", "user"]


async def test_a_worker_of_its_own_is_started_and_stopped(folder: Path):
    status, out, aside = await pipe("hello\n!lookup Hoth | en", "--preset", "fake", folder=folder)
    assert (status, out) == (0, "hello\n")
    assert "Looked up: Hoth (en)" in aside
    assert processes_with(str(folder)) == []


async def test_what_cannot_be_is_said_without_a_trace(folder: Path):
    result, out, aside = await pipe("hi", "--preset", "nobody", folder=folder)
    assert (result, out) == (2, "")
    assert "There is no preset 'nobody'" in aside
    assert "Traceback" not in aside


async def test_an_interrupted_pipe_ends_with_130(folder: Path, served: Served):
    process = await asyncio.create_subprocess_exec(
        *command("--url", served.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=ENVIRONMENT | {"XDG_STATE_HOME": str(folder)},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdin.write(b"!words 400")
    process.stdin.close()
    await process.stdout.read(5)
    process.send_signal(signal.SIGINT)
    _, aside = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 130
    assert b"Traceback" not in aside
    await until(lambda: served.base.load.running == 0)


def test_its_settings_are_those_of_the_worker_and_the_bot():
    from bot.settings import Settings

    assert set(ChatSettings.model_fields) <= set(Settings.model_fields)

"""What is typed: the line to type into, Ctrl-C while an answer comes, and keys pressed meanwhile."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import MissingPackage
from model.terminal.commands import COMMANDS

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession


def prompt_session(folder: Path | str) -> PromptSession[str]:
    """The line that is typed into: with completion of commands, and what was typed before."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory, History, InMemoryHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    except ImportError as error:
        raise MissingPackage(
            "A chat in the terminal needs prompt-toolkit: pip install 'fanfabler[chat]'. Piped input does without."
        ) from error

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    typed: History = InMemoryHistory()
    with suppress(OSError):
        Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        typed = FileHistory(str(Path(folder) / "typed"))
    completer = WordCompleter([*COMMANDS], sentence=True)
    return PromptSession(history=typed, completer=completer, complete_while_typing=True, key_bindings=keys)


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on Ctrl-C for the time of the block."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, stop)
    except NotImplementedError:  # Windows' loops know none; there Ctrl-C ends the program
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@contextmanager
def without_echo() -> Iterator[None]:
    """Keep what is typed meanwhile from standing in the middle of an answer; it is there for the next line."""
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)

"""Servers that end with the process that started them: the option for it, and its value."""

from __future__ import annotations

import argparse
import os
import sys

OPTION = "--with-parent"


def add_option(parser: argparse.ArgumentParser, started: str) -> None:
    """Give a command the option; `started`: how its help calls what was started."""
    parser.add_argument(
        OPTION, nargs="?", type=parent_process, const=os.getppid(), metavar="NUMBER",
        help=f"stop when the process that started {started} is gone; it can say which number it has",
    )  # fmt: skip


def option() -> str:
    """The option for what this process starts. With its number, a child that is still importing when this process is
    killed knows afterwards that it was left alone: by then another is its parent."""
    return f"{OPTION}={os.getpid()}"


def parent_process(number: str) -> int:
    """Who started this process, as it says itself."""
    # On Windows the python.exe of an environment starts another one, whose parent it is.
    return os.getppid() if sys.platform == "win32" else int(number)


def is_gone(parent: int) -> bool:
    """Whether the process that started this one is no more."""
    return os.getppid() != parent

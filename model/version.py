"""The version of FanFabler, which `pyproject.toml` has."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version


def fanfabler_version() -> str:
    """Of what is installed; a checkout that is not has none, and is 0."""
    try:
        return version("fanfabler")
    except PackageNotFoundError:
        return "0"


class ShowVersion(argparse.Action):
    """`--version` of the programs: says it, and ends. What is installed is looked up only when it is asked for."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        super().__init__(
            option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="say the version, and end"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Called by argparse."""
        sys.stdout.write(f"FanFabler {fanfabler_version()}\n")
        parser.exit()

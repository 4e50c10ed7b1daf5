"""The command line: what `--help` of each command prints, asked of the parsers themselves."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from unittest.mock import patch

from bot.__main__ import _parser as bot_parser
from model.__main__ import _parser as model_parser
from training.__main__ import _parser as training_parser

PARSERS = {"bot": bot_parser, "model": model_parser, "training": training_parser}


def subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of its commands, and of theirs, that do something by themselves."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for command in action.choices.values():
            yield from subcommands(command)


def page() -> str:
    """A part for each program, a section for each command."""
    parts = []
    with patch.dict(os.environ, {"COLUMNS": "100"}):
        for make in PARSERS.values():
            parser = make()
            parts.append(f"## {parser.prog}\n\n{parser.description}\n")
            for command in subcommands(parser):
                title = command.prog.removeprefix("python -m ")
                parts.append(f"### {title}\n\n```text\n{command.format_help().strip()}\n```\n")
    return "\n".join(parts)

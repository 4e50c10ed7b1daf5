"""`python -m training`: the dataset and what is made with it. `--help` imports nothing heavy."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from model.version import ShowVersion

COMMANDS = (
    "properties",
    "generate",
    "import_",
    "validate",
    "split",
    "stats",
    "finetune",
    "sweep",
    "evaluate",
    "export",
    "publish",
    "runs",
    "serve",
)
"""The modules of `training.commands`, in the order of the help. Each has `add_parser(commands)`, imports
nothing heavy at its top, and sets `run`: a function from the options to the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0 fine, 1 failed, 2 cannot run."""
    options = _parser().parse_args(arguments)
    from model.errors import ModelError
    from training.errors import TrainingError

    try:
        status: int = options.run(options)
    except (TrainingError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="FanFabler's dataset, and what is made with it: adapters, their evaluation, the trainer.",
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"training.commands.{name}").add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

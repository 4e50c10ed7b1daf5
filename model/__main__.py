"""`python -m model`: the worker and what belongs to it. `--help` imports nothing heavy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0 fine, 1 failed, 2 cannot run here."""
    options = _parser().parse_args(arguments)
    from model.commands import run

    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    serve = commands.add_parser("serve", help="serve a model by OpenAI's chat API")
    _add_preset(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    serve.add_argument(
        "--random-weights",
        action="store_true",
        help="make weights of the right shape instead of loading them",
    )
    serve.add_argument("--slots", type=int, help="requests generated at once")
    serve.add_argument("--queue-limit", type=int, help="requests that may wait beyond those")
    serve.add_argument("--tokens-per-second", type=float, help="preset fake: tokens of one answer per second")
    serve.add_argument(
        "--grace", type=float, default=10.0, help="seconds to end running answers when stopping"
    )
    serve.add_argument(
        "--with-parent", action="store_true", help="stop when the process that started this is gone"
    )
    serve.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])

    prepare = commands.add_parser(
        "prepare", help="unpack and check what a preset needs, ahead of the first start"
    )
    _add_preset(prepare)

    commands.add_parser(
        "models", help="list the presets, what each needs, and whether this machine can run it"
    )
    return parser


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        help="a packaged preset or a YAML file (default: PRESET, else llama3-8b on a GPU, embedded without)",
    )


if __name__ == "__main__":
    sys.exit(main())

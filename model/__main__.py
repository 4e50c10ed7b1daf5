"""`python -m model`: the worker and what belongs to it. `--help` imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from model import with_parent
from model.version import ShowVersion


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 0 fine, 1 failed, 2 cannot run here."""
    options = _parser().parse_args(arguments)
    if options.command == "serve":
        # Until the server is there to stop in order, there is nothing to be put in order.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if options.command == "health":
        from model.health import health

        serves, words = health(options.url)
        print(words, file=sys.stdout if serves else sys.stderr)
        return int(not serves)
    from model.commands import run

    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model",
        description="FanFabler's worker, which serves the model, and what belongs to it.",
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="serve a model by OpenAI's chat API",
        description="Serves a model and its adapters by OpenAI's chat API. Says when it is ready; Ctrl-C lets running "
        "answers end. On an address that others reach it wants WORKER_TOKEN to be set.",
    )
    _add_preset(serve)
    serve.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)"
    )
    serve.add_argument(
        "--port", type=int, default=8000, metavar="PORT", help="0 takes a free one (default: %(default)s)"
    )
    serve.add_argument(
        "--random-weights",
        action="store_true",
        help="make weights of the right shape instead of loading them",
    )
    serve.add_argument(
        "--adapter",
        action="append",
        default=[],
        type=_named_folder,
        metavar="NAME=FOLDER",
        help="serve a LoRA adapter by this name, beside the preset's own; may be given several times",
    )
    serve.add_argument(
        "--slots",
        type=int,
        metavar="N",
        help="answers written side by side (default: the preset's, or what fits)",
    )
    serve.add_argument(
        "--queue-limit",
        type=int,
        metavar="N",
        help="requests that may wait beyond those (default: as the preset says)",
    )
    serve.add_argument(
        "--tokens-per-second", type=float, metavar="N",
        help="of one answer; for the preset fake alone (default: as fast as it can)",
    )  # fmt: skip
    serve.add_argument(
        "--grace", type=float, default=10.0, metavar="SECONDS",
        help="for running answers to end when it is stopped (default: %(default)g)",
    )  # fmt: skip
    with_parent.add_option(serve, "this")
    serve.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"],
        help="how much is told (default: %(default)s)",
    )  # fmt: skip
    serve.add_argument(
        "--log-format",
        choices=["text", "json"],
        help="text for people or one JSON object a line (default: LOG_FORMAT)",
    )

    _add_chat(commands)

    prepare = commands.add_parser(
        "prepare",
        help="unpack and check what a preset needs, ahead of the first start",
        description="Downloads, unpacks and checks what a preset needs, so that the first start need not.",
    )
    _add_preset(prepare)

    health = commands.add_parser(
        "health",
        help="ask a worker or a trainer how it is",
        description="For supervisors such as Docker: asks GET /health. "
        "Exit status: 0 it serves, 1 it does not, with the reason.",
    )
    health.add_argument(
        "--url",
        default="http://127.0.0.1:8000",
        metavar="URL",
        help="where it listens (default: %(default)s)",
    )

    commands.add_parser(
        "models",
        help="list the presets, what each needs, and whether this machine can run it",
        description="Lists the presets, what each needs and whether this machine can run it, and the adapters in "
        "ADAPTERS_DIR.",
    )
    return parser


def _add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    chat = commands.add_parser(
        "chat",
        help="chat with a worker in the terminal, or have piped text answered",
        description="Chat with a worker in the terminal. Text that is piped in is one message, answered in plain text.",
    )
    where = chat.add_mutually_exclusive_group()
    where.add_argument(
        "--url", metavar="URL", help="a running worker, as http://host:8000/v1 (default: WORKER_URL)"
    )
    where.add_argument(
        "--preset",
        metavar="NAME",
        help="start a worker with this preset (default where no worker is named: PRESET)",
    )
    chat.add_argument("--token", metavar="TOKEN", help="the worker's bearer token (default: WORKER_TOKEN)")
    chat.add_argument(
        "--model",
        metavar="NAME",
        help="which of its models or adapters writes (default: WORKER_MODEL, or the first)",
    )
    chat.add_argument(
        "--language", metavar="LANGUAGE", help="its code or name (default: that of the first message)"
    )
    chat.add_argument(
        "--continue",
        dest="continue_",
        nargs="?",
        const="newest",
        metavar="ID",
        help="go on with the newest conversation, or with this one",
    )
    chat.add_argument(
        "--history",
        type=Path,
        metavar="FOLDER",
        help="keeps conversations (default: one of your home directory)",
    )
    chat.add_argument("--offline", action="store_true", help="look works up in the bundled notes only")
    chat.add_argument(
        "--max-tokens", type=int, default=1024, metavar="N", help="of one answer (default: %(default)s)"
    )
    chat.add_argument(
        "--temperature", type=float, metavar="T", help="of the sampling (default: the worker's)"
    )


def _named_folder(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not name or not equals or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER")
    return name, Path(folder)


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        metavar="NAME_OR_YAML",
        help="a packaged preset or a YAML file (default: PRESET, else llama3-8b on a GPU, embedded without)",
    )


if __name__ == "__main__":
    sys.exit(main())

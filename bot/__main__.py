"""`python -m bot`: run the bot, try it in a local page, check the installation, migrate the database.

`--help` answers at once: everything heavy is imported where it is used."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot", description="FanFabler, the Discord bot that helps people write fan fiction."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="connect to Discord; starts a local worker unless WORKER_URL is set")
    preview = commands.add_parser(
        "preview", help="the whole bot in a page on this machine: no token, no network, no GPU"
    )
    preview.add_argument(
        "--port", type=int, default=8731, help="port of the page; 0 takes a free one (default: 8731)"
    )
    preview.add_argument(
        "--state", type=Path, default=Path(".cache/preview"), help="folder that keeps the preview's threads"
    )
    preview.add_argument("--fresh", action="store_true", help="forget the threads of earlier previews")
    preview.add_argument("--preset", help="model preset of the worker (default: PRESET, or embedded)")
    doctor = commands.add_parser(
        "doctor", help="check token, intents, permissions, database, worker, Wikipedia"
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    database = commands.add_parser("db", help="the database").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    upgrade = database.add_parser(
        "upgrade", help="bring the schema to this version (done at every start too)"
    )
    upgrade.add_argument("revision", nargs="?", default="head", help="a revision (default: the newest)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 failed, 2 wrong settings or arguments."""
    options = _parser().parse_args(arguments)
    from bot.errors import BotError, SettingsError
    from bot.settings import load_settings

    try:
        settings = load_settings()
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
        )
        for name in ("alembic", "httpx2"):  # what they tell is of no use to an operator
            logging.getLogger(name).setLevel(
                max(logging.WARNING, logging.getLogger(name).getEffectiveLevel())
            )
        return _run(options, settings)
    except BotError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if options.command == "run":
        from bot.running import run

        return asyncio.run(run(settings))
    if options.command == "preview":
        from bot.preview.running import run_preview

        return asyncio.run(run_preview(settings, options))
    if options.command == "doctor":
        from bot.doctor import examine, report

        return report(asyncio.run(examine(settings)), as_json=options.json)
    from bot.running import upgrade_database

    asyncio.run(upgrade_database(settings, options.revision))
    return 0


if __name__ == "__main__":
    sys.exit(main())

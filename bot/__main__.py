"""`python -m bot`: run the bot, try it in a local page, check the installation, migrate the database.

`--help` answers at once: everything heavy is imported where it is used."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from model.version import ShowVersion

if TYPE_CHECKING:
    from bot.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot", description="FanFabler, the Discord bot that helps people write fan fiction."
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "run",
        help="connect to Discord; starts a local worker unless WORKER_URL is set",
        description="Connects to Discord with DISCORD_TOKEN. Where WORKER_URL is not set, starts a worker on this "
        "machine too. Settings come from the environment or from .env; .env.example has them all.",
    )
    preview = commands.add_parser(
        "preview",
        help="the whole bot in a page on this machine: no token, no network, no GPU",
        description="Runs the whole bot, with a model, in a page on this machine. Ctrl-C ends it; its threads are "
        "there again the next time.",
    )
    preview.add_argument(
        "--port", type=int, default=8731, metavar="PORT",
        help="of the page; 0 takes a free one (default: %(default)s)",
    )  # fmt: skip
    preview.add_argument(
        "--state", type=Path, default=Path(".cache/preview"), metavar="FOLDER",
        help="keeps the preview's threads (default: %(default)s)",
    )  # fmt: skip
    preview.add_argument("--fresh", action="store_true", help="forget the threads of earlier previews")
    preview.add_argument("--preset", metavar="NAME", help="the worker's model (default: PRESET, or embedded)")
    doctor = commands.add_parser(
        "doctor",
        help="check token, intents, permissions, database, worker, trainer, Wikipedia, moderation",
        description="Looks at each part of this installation, and says what is wrong and how to mend it. "
        "Exit status: 0 all is well enough to run, 1 something is bad.",
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    commands.add_parser(
        "health",
        help="say whether the bot that writes PULSE_FILE serves",
        description="For supervisors such as Docker: reads PULSE_FILE, which a running bot writes. "
        "Exit status: 0 it is connected and its database answers, 1 it is not, with the reason.",
    )
    database = commands.add_parser(
        "db",
        help="migrate, back up and restore the database",
        description="The database that DATABASE_URL names.",
    ).add_subparsers(dest="action", required=True, metavar="ACTION")
    upgrade = database.add_parser(
        "upgrade",
        help="bring the tables to this version (every start does so too)",
        description="Brings the tables to this version of FanFabler. Every start of the bot does so too.",
    )
    upgrade.add_argument(
        "revision",
        nargs="?",
        default="head",
        metavar="REVISION",
        help="one of Alembic's (default: the newest)",
    )
    for action, told, overwrites, words in (
        ("backup", "write the database into a file, also while the bot runs", "replace a file that is there",
         "Writes the database into a file, and reads that back before it is kept. PostgreSQL needs pg_dump."),
        ("restore", "bring a backup back; stop the bot first", "replace a database that is not empty",
         "Brings a backup back. Stop the bot first. What members deleted stays deleted. PostgreSQL needs pg_restore."),
    ):  # fmt: skip
        command = database.add_parser(action, help=told, description=words)
        command.add_argument("file", type=Path, metavar="FILE", help="the backup")
        command.add_argument("--force", action="store_true", help=overwrites)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 failed, 2 wrong settings or arguments."""
    options = _parser().parse_args(arguments)
    from bot.errors import BotError, SettingsError
    from bot.request_ids import label_log_lines
    from bot.settings import load_settings
    from model.log_format import set_up_logging

    try:
        settings = load_settings()
        set_up_logging(settings.log_level, settings.log_format)
        label_log_lines()
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
        from rich.console import Console

        from bot.doctor import examine
        from bot.findings import report

        logging.getLogger("discord").setLevel(logging.ERROR)  # the findings say what there is to say
        with Console(stderr=True).status("Looking at each part …"):
            findings = asyncio.run(examine(settings))
        return report(findings, as_json=options.json)
    if options.command == "health":
        from bot.life_sign import health

        serves, words = health(settings.pulse_file)
        print(words, file=sys.stdout if serves else sys.stderr)
        return int(not serves)
    if options.action in ("backup", "restore"):
        from bot.database.backup_commands import run_backup, run_restore

        command = run_backup if options.action == "backup" else run_restore
        print(asyncio.run(command(settings, options.file, force=options.force)))
        return 0
    from bot.running import upgrade_database

    asyncio.run(upgrade_database(settings, options.revision))
    return 0


if __name__ == "__main__":
    sys.exit(main())

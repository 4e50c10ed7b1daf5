"""`python -m training serve`: the trainer, OpenAI's fine-tuning API over this package's runs."""

from __future__ import annotations

import argparse

from model import with_parent


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "serve",
        help="train by OpenAI's fine-tuning API: files, jobs, events, results",
        description="Takes files and jobs by OpenAI's API and runs the jobs one at a time, each in its own process. "
        "Everything is on disk: after a kill the same command goes on. Settings are TRAINER_… in the environment or "
        ".env; docs/trainer.md has them and the API.",
    )
    parser.add_argument(
        "--host", metavar="ADDRESS", help="the address to listen on (default: TRAINER_HOST, 127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=int, metavar="PORT", help="0 takes a free one (default: TRAINER_PORT, 8010)"
    )
    parser.add_argument("--dir", metavar="FOLDER", help="of files and jobs (default: TRAINER_DIR, trainer)")
    parser.add_argument(
        "--recipes", metavar="NAMES", help="names or YAML files, by commas (default: TRAINER_RECIPES)"
    )
    parser.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"),
        help="how much is told (default: %(default)s)",
    )  # fmt: skip
    with_parent.add_option(parser, "it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    import asyncio
    import sys

    from pydantic import ValidationError

    from model.log_format import set_up_logging
    from training.serving.run import serve
    from training.serving.settings import TrainerSettings

    given = {
        "trainer_host": options.host,
        "trainer_port": options.port,
        "trainer_dir": options.dir,
        "trainer_recipes": options.recipes,
    }
    try:
        settings = TrainerSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for fault in error.errors():
            print(f"error: {str(fault['loc'][0]).upper()}: {fault['msg']}", file=sys.stderr)  # noqa: T201
        return 2
    set_up_logging(options.log_level, settings.log_format)

    def announce(address: str) -> None:
        print(f"trainer ready on {address}", flush=True)  # noqa: T201

    return asyncio.run(serve(settings, announce, parent=options.with_parent))

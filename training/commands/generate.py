"""`python -m training generate`: write chats with a language model."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.properties import add_model_options, run_generation

_EPILOG = """\
exit status: 0 complete, 1 incomplete (the server failed; run it again), 2 cannot begin, 3 the configuration has
changed, 4 stopped at --max-usd, 130 interrupted. Killed at any moment, the same command goes on: answers that had
come in are not paid for again; a call that was under way at the kill is made again, once, and is reported.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "generate",
        help="write chats with a language model",
        description="Has a language model write chats in any of the forty languages: questions, answers, and what\n"
        "Wikipedia says of the works.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser, out=Path("runs/dataset"))
    what = parser.add_argument_group("what to write")
    what.add_argument(
        "--works",
        metavar="N|LIST",
        help="the first N works of each language, or those of a list such as 1,5,7-9 (default: all twenty)",
    )
    what.add_argument(
        "--chats", type=int, default=5, metavar="N", help="chats about each work (default: %(default)s)"
    )
    what.add_argument(
        "--properties",
        default="catalogue",
        metavar="SOURCE",
        help="the works: 'catalogue', 'model' to have them proposed, or a folder with <code>.json "
        "(default: %(default)s)",
    )
    what.add_argument(
        "--seed", type=int, default=42, metavar="N", help="of the plan of the chats (default: %(default)s)"
    )
    what.add_argument("--no-wikipedia", action="store_true", help="look up in the bundled notes alone")
    parser.set_defaults(run=run_generation)

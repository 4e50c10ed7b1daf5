"""`python -m training properties`: have a language model propose the twenty works of each language."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "properties",
        help="propose the works of each language with a language model",
        description="Has a language model propose the works that people write about, as properties/<code>.json "
        "for `generate --properties` and the catalogue.",
    )
    add_model_options(parser, out=Path("runs/properties"))
    parser.set_defaults(
        run=run_generation,
        works=None,
        chats=0,
        properties="model",
        seed=42,
        no_wikipedia=True,
    )


def add_model_options(parser: argparse.ArgumentParser, out: Path) -> None:
    """The options of everything that asks a model."""
    parser.add_argument(
        "--out", type=Path, default=out, metavar="FOLDER", help="the run's folder (default: %(default)s)"
    )
    parser.add_argument(
        "--languages", default="all", metavar="CODES", help="codes, by commas (default: all forty)"
    )
    model = parser.add_argument_group("the model (server and key: OPENAI_BASE_URL, OPENAI_API_KEY)")
    model.add_argument("--model", required=True, metavar="NAME", help="name of the model")
    model.add_argument(
        "--prompts", default="spec", choices=["spec", "article"], help="set of prompts (default: %(default)s)"
    )
    model.add_argument(
        "--temperature", type=float, default=1.0, metavar="T", help="of the sampling (default: %(default)s)"
    )
    model.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help="of every reply (default: 400 to 6000, by what is asked for)",
    )
    model.add_argument(
        "--extra",
        metavar="JSON",
        default="{}",
        help='further fields of each request, such as {"reasoning_effort": "low"} (default: none)',
    )
    model.add_argument(
        "--reply-form",
        choices=["json_schema", "json_object", "text"],
        help="how replies are held to a form (default: the strictest that the server takes)",
    )
    _add_run_options(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    cost = parser.add_argument_group("cost")
    cost.add_argument("--dry-run", action="store_true", help="say calls, tokens and USD, and ask nothing")
    cost.add_argument(
        "--max-usd",
        type=float,
        metavar="USD",
        help="stop before a call that could exceed this sum of all tries (default: no limit)",
    )
    cost.add_argument(
        "--price-in",
        type=float,
        metavar="USD",
        help="of a million tokens that are sent (default: from a table)",
    )
    cost.add_argument(
        "--price-out",
        type=float,
        metavar="USD",
        help="of a million tokens that are received (default: from a table)",
    )
    pace = parser.add_argument_group("pace")
    pace.add_argument(
        "--concurrency",
        type=int,
        default=128,
        metavar="N",
        help="most calls at a time; how many the server bears is found out by itself (default: %(default)s)",
    )
    pace.add_argument(
        "--timeout",
        type=float,
        default=300,
        metavar="SECONDS",
        help="of a call, in seconds (default: %(default)s)",
    )
    pace.add_argument(
        "--salvage",
        type=int,
        default=3,
        metavar="N",
        help="rounds in which bad replies are asked for again (default: %(default)s)",
    )
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="take replies that are in a wrong language or were cut off, and leave them to the checks",
    )
    parser.add_argument("--no-checks", action="store_true", help="do not check what was made")
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument("--restart", action="store_true", help="set what was made before aside")
    changed.add_argument(
        "--continue-anyway", action="store_true", help="go on though the configuration has changed"
    )


def run_generation(options: argparse.Namespace) -> int:
    """Run it; returns the exit status."""
    from training.generation.console import run_options

    return run_options(options)

"""`python -m training properties`: have a language model propose the twenty works of each language."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "properties",
        help="propose the works of each language with a language model",
        description="Writes properties/<code>.json, for `generate --properties` and for the catalogue.",
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
    parser.add_argument("--out", type=Path, default=out, help="the run's folder (default: %(default)s)")
    parser.add_argument("--languages", default="all", help="codes, by commas (default: all forty)")
    model = parser.add_argument_group("the model (server and key: OPENAI_BASE_URL, OPENAI_API_KEY)")
    model.add_argument("--model", required=True, help="name of the model")
    model.add_argument(
        "--prompts", default="spec", choices=["spec", "article"], help="set of prompts (default: %(default)s)"
    )
    model.add_argument("--temperature", type=float, default=1.0, help="default: %(default)s")
    model.add_argument(
        "--max-tokens", type=int, help="of every reply (default: after the stage, 400 to 6000)"
    )
    model.add_argument(
        "--extra",
        metavar="JSON",
        default="{}",
        help='further fields of each request, e.g. \'{"reasoning_effort": "low"}\'',
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
        "--max-usd", type=float, help="stop before the call that could exceed this, in all runs"
    )
    cost.add_argument("--price-in", type=float, metavar="USD", help="per million tokens (default: a table)")
    cost.add_argument("--price-out", type=float, metavar="USD", help="per million tokens (default: a table)")
    pace = parser.add_argument_group("pace")
    pace.add_argument(
        "--concurrency",
        type=int,
        default=128,
        help="calls under way at most; how many the server bears is found out (default: %(default)s)",
    )
    pace.add_argument(
        "--timeout", type=float, default=300.0, help="of a call, in seconds (default: %(default)s)"
    )
    pace.add_argument(
        "--salvage",
        type=int,
        default=3,
        help="rounds in which bad replies are asked for again (default: %(default)s)",
    )
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="take replies in a wrong language, and such as were cut off, and leave them to the checks",
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

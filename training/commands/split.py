"""`python -m training split`: deal the chats out to train, validation and test."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "split",
        help="deal the chats out to train, validation and test",
        description="Deals the chats out to train, validation and test. All chats about a work go to the same side. "
        "Works that were dealt before stay where they are.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="a folder with chats/<code>.jsonl (default: the shipped data)",
    )
    parser.add_argument(
        "--seed", type=int, default=42, metavar="N", help="of a first deal (default: %(default)s)"
    )
    parser.add_argument("--anew", action="store_true", help="forget how it was dealt before")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Split, and say how many rows each side has."""
    from rich.console import Console

    from model.languages import LANGUAGES
    from training.chats import DATA
    from training.split import SPLITS, nothing_held_out, split_folder

    console = Console(highlight=False)
    data = options.data or DATA
    record = split_folder(data, seed=options.seed, anew=options.anew)
    total = sum(map(len, record.rows.values()))
    for side in SPLITS:
        rows = len(record.rows[side])
        console.print(f"{side:<11}{rows:>6} rows  {rows / total:.1%}  {data / 'splits' / side}.jsonl")
    for side, codes in nothing_held_out(data).items():
        if codes:
            names = ", ".join(LANGUAGES[code].english_name for code in codes)
            console.print(
                f"Warning: {side} has nothing in {names}. A language needs at least three works; those that were dealt "
                "before are moved by --anew alone."
            )
    return 0

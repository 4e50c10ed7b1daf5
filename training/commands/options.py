"""Options that several commands have, the same in all."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_runs(parser: argparse.ArgumentParser) -> None:
    """`--runs`: the folder that runs lie in."""
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="FOLDER",
        help="folder of runs (default: %(default)s)",
    )

"""`python -m training runs`: the fine-tuning runs of this folder, listed or compared."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_runs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "runs",
        help="list the fine-tuning runs, or compare some of them",
        description="Without names, lists all runs. With names, shows these, and where their recipes differ.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="runs to compare (default: list all)")
    add_runs(parser)
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw their held-out losses into one plot")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List or compare."""
    from rich.console import Console

    from training.finetuning.comparison import differences, find_runs, list_runs, loss_curves, overview
    from training.plots import save_png

    console = Console()

    def tell(said: str) -> None:
        console.print(said, markup=False)

    runs = find_runs(options.runs, options.names) if options.names else list_runs(options.runs, tell=tell)
    if not runs:
        console.print(f"{options.runs} has no runs: python -m training finetune makes one", markup=False)
        return 0
    console.print(overview(runs).rich())
    if len(options.names) > 1 and (changed := differences(runs)).rows:
        console.print(changed.rich())
    if options.plot:
        console.print(f"wrote {save_png(loss_curves(runs), options.plot)}", markup=False)
    return 0

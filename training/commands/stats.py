"""`python -m training stats`: what the dataset holds, as tables and plots."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "stats",
        help="count rows, tokens, tasks and kinds of works; tables and plots",
        description="Counts what a dataset holds. Lengths are in Llama 3's tokens, of whole training examples.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="a folder with chats/<code>.jsonl (default: the shipped data)",
    )
    parser.add_argument(
        "--plots",
        type=Path,
        default=Path("runs/stats"),
        metavar="FOLDER",
        help="folder for the plots (default: %(default)s)",
    )
    parser.add_argument("--no-plots", action="store_true", help="tables alone")
    parser.add_argument(
        "--datasheet", action="store_true", help="also write the tables into the dataset's README.md"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Count, show, draw."""
    from rich.console import Console

    from training.chats import DATA
    from training.stats import count, llama_tokens
    from training.stats_tables import tables, write_datasheet

    console = Console()
    data = options.data or DATA
    with console.status("counting tokens …"):
        stats = count(data, llama_tokens())
    for table in tables(stats):
        console.print(table.rich())
    if options.datasheet:
        write_datasheet(stats, data / "README.md")
        console.print(f"wrote {data / 'README.md'}")
    if not options.no_plots:
        from training.stats_plots import draw_all

        for path in draw_all(stats, options.plots):
            console.print(f"wrote {path}")
    return 0

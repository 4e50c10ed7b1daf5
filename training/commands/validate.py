"""`python -m training validate`: check a dataset row by row, and report what was kept and dropped."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "validate",
        help="check a dataset row by row, and report what was kept and dropped, and why",
        description="Checks each row: its form, the language of each message, look-up tags, refusals, loops, "
        "near-duplicates. Exit status: 0 where every row is kept and the lists of works keep the rules, else 1.",
    )
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        metavar="PATH",
        help="a JSONL file, or a folder of them (default: the shipped data)",
    )
    parser.add_argument(
        "--properties", type=Path, metavar="FOLDER", help="also check the lists of works, <code>.json"
    )
    parser.add_argument(
        "--report", type=Path, default=Path("runs/validation"), metavar="FOLDER",
        help="where report.md, report.html and findings.jsonl go (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write the rows kept, <code>.jsonl")
    parser.add_argument("--no-plots", action="store_true", help="a report without plots")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, report, say so."""
    from rich.console import Console

    from training.chats import DATA, PROPERTIES, write_chats
    from training.checks.report import by_language, by_reason, summary, write_report
    from training.checks.validation import chat_files, count_rows, validate
    from training.progress import bar

    console = Console()
    files = chat_files(options.path or DATA)
    properties = options.properties or (PROPERTIES if options.path is None else None)
    with bar("checking", 2 * count_rows(files)) as tick:
        outcome = validate(files, properties, tick)
    console.print(by_language(outcome).rich())
    if outcome.dropped:
        console.print(by_reason(outcome).rich())
    for note in outcome.notes:
        console.print(str(note), markup=False)
    if options.output:
        for code in dict.fromkeys(chat.language for chat in outcome.kept):
            rows = [chat for chat in outcome.kept if chat.language == code]
            write_chats(options.output / f"{code}.jsonl", rows)
    console.print(summary(outcome))
    for path in write_report(outcome, options.report, plots=not options.no_plots):
        console.print(f"wrote {path}", markup=False)
    return 0 if outcome.passed else 1

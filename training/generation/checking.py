"""Runs the checks over what a run has made: the good rows are written apart, and a report says what was thrown out.

checked/chats/    <code>.jsonl, the rows that pass (`split --data …/checked` goes on with them)
validation/       report.md, report.html, findings.jsonl
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from training.chats import write_chats
from training.checks.catalogue import check_works
from training.checks.report import by_language, by_reason, summary, write_report
from training.checks.validation import chat_files, count_rows, read_catalogue, validate
from training.errors import MissingExtra
from training.progress import bar


def check_chats(folder: Path, console: Console) -> None:
    """Check the chats of a run's folder. Raises `DataError`."""
    files = chat_files(folder)
    with bar("checking", 2 * count_rows(files)) as tick:
        outcome = validate(files, tick=tick)
    for file in files:
        rows = [chat for chat in outcome.kept if chat.language == file.stem]
        write_chats(folder / "checked" / "chats" / file.name, rows)
    if outcome.rows:
        console.print(by_language(outcome).rich())
    if outcome.dropped:
        console.print(by_reason(outcome).rich())
    console.print(f"Checks: {summary(outcome)}", highlight=False)
    try:
        write_report(outcome, folder / "validation")
    except MissingExtra:
        write_report(outcome, folder / "validation", plots=False)


def check_properties(folder: Path, console: Console) -> None:
    """Check the works of a run's folder, which are proposals. Raises `DataError`."""
    findings = [
        finding
        for code, works in read_catalogue(folder / "properties").items()
        for finding in check_works(code, works)
    ]
    for finding in findings:
        console.print(str(finding), markup=False)
    console.print(f"Checks: {len(findings) or 'no'} findings about the works.", highlight=False)

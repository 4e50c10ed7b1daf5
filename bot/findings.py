"""What `python -m bot doctor` finds, and how it is shown: in colours to people, as JSON to programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Verdict(StrEnum):
    """How a part is."""

    GOOD = "good"
    NOTE = "note"  # works, but worth knowing
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What was found of one part, and what to do about it."""

    part: str
    verdict: Verdict
    found: str
    remedy: str = ""


_MARKS = {Verdict.GOOD: "[bold green]✓[/]", Verdict.NOTE: "[bold yellow]•[/]", Verdict.BAD: "[bold red]✗[/]"}
_COLOURS = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.BAD: "red"}


def report(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print the findings; 1 where something is bad."""
    if as_json:
        sys.stdout.write(json.dumps([asdict(f) for f in findings], indent=2, ensure_ascii=False) + "\n")
    else:
        console = Console(highlight=False)
        console.print(_table(findings))
        console.print(_sum(findings))
    return int(any(f.verdict is Verdict.BAD for f in findings))


def _table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.verdict]
        found = escape(finding.found)
        table.add_row(
            _MARKS[finding.verdict],
            f"[bold]{escape(finding.part)}[/]",
            found if finding.verdict is Verdict.GOOD else f"[{colour}]{found}[/]",
        )
        if finding.remedy:
            style = "dim" if finding.verdict is Verdict.GOOD else "default"
            table.add_row("", "", f"[{style}]{_linked(finding.remedy)}[/]")
    return table


def _linked(text: str) -> str:
    """Markup with addresses that can be clicked, since one that is broken over two lines cannot be copied."""
    return re.sub(r"https?://[^\s\[\]]*[^\s\[\].,;:]", r"[link=\g<0>]\g<0>[/link]", escape(text))


def _sum(findings: Sequence[Finding]) -> str:
    bad, notes = (sum(f.verdict is verdict for f in findings) for verdict in (Verdict.BAD, Verdict.NOTE))
    if bad:
        return f"\n[bold red]{bad} of {len(findings)} parts must be mended before the bot serves.[/]"
    if notes:
        return f"\n[bold green]The bot can serve.[/] [yellow]{notes} of {len(findings)} parts are worth a look.[/]"
    return "\n[bold green]All is well.[/]"

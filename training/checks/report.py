"""The report of a validation: what was kept and dropped by language, and why, row by row.

As Markdown, as one HTML page with its plots in it, and as JSON lines for programs.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from model.languages import LANGUAGES
from training.chats import write_text
from training.checks.finding import KINDS, Finding, excerpt
from training.checks.report_plots import catalogue_spread, kept_by_language, reasons_by_language
from training.checks.validation import Dropped, Outcome
from training.plots import picture
from training.tables import Cell, Table

MAX_ROWS = 500
"""Dropped rows that a report shows; `findings.jsonl` has all."""


def write_report(outcome: Outcome, folder: Path, *, plots: bool = True) -> list[Path]:
    """Write `report.md`, `report.html` and `findings.jsonl`. Raises `MissingExtra` where plots cannot be drawn."""
    texts = {
        "report.md": markdown(outcome),
        "report.html": page(outcome, plots=plots),
        "findings.jsonl": "".join(
            json.dumps(_record(row), ensure_ascii=False) + "\n" for row in outcome.dropped
        ),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def summary(outcome: Outcome) -> str:
    """One sentence."""
    kept = len(outcome.kept)
    share = f" ({kept / outcome.rows:.1%})" if outcome.rows else ""
    return f"{kept:,} of {outcome.rows:,} rows kept{share}, {len(outcome.dropped):,} dropped."


def by_language(outcome: Outcome) -> Table:
    """Rows kept and dropped, and the reasons, most frequent first."""
    reasons = outcome.reasons()
    rows: list[list[Cell]] = []
    for code in outcome.languages():
        kept, dropped = outcome.counts(code)
        why = Counter({check: count for (language, check), count in reasons.items() if language == code})
        told = ", ".join(f"{check} {count}" for check, count in why.most_common())
        name = LANGUAGES[code].english_name if code in LANGUAGES else "no language"
        rows.append([code, name, kept, dropped, f"{kept / (kept + dropped):.0%}", told])
    every: list[Cell] = ["", "all", len(outcome.kept), len(outcome.dropped), "", ""]
    return Table(
        "Rows by language", ["", "language", "kept", "dropped", "share", "reasons"], [*rows, every], totals=1
    )


def by_reason(outcome: Outcome) -> Table:
    """How many rows each check found something in, and what it looks for."""
    counts: Counter[str] = Counter()
    for (_, check), count in outcome.reasons().items():
        counts[check] += count
    rows: list[list[Cell]] = [[check, count, KINDS[check]] for check, count in counts.most_common()]
    return Table("Reasons (a row may have several)", ["check", "rows", "what it finds"], rows)


def of_works(outcome: Outcome) -> Table:
    """The lists of works by language."""
    rows: list[list[Cell]] = [
        [
            code,
            LANGUAGES[code].english_name,
            len(works),
            len({work.property_type for work in works}),
            sum(work.is_local for work in works),
            f"{sum(work.is_local for work in works) / max(len(works), 1):.0%}",
        ]
        for code, works in outcome.works.items()
    ]
    return Table("Works by language", ["", "language", "works", "types", "local", "local share"], rows)


def of_spread(outcome: Outcome) -> Table:
    """Works in many languages, which is reported and no fault."""
    rows: list[list[Cell]] = [[name, len(codes), " ".join(codes)] for name, codes in outcome.spread.items()]
    return Table("Works in more than five languages", ["work", "languages", "which"], rows)


def markdown(outcome: Outcome) -> str:
    """The report as Markdown."""
    parts = ["# Validation", summary(outcome), "## By language", by_language(outcome).markdown()]
    if outcome.dropped:
        parts += ["## Reasons", by_reason(outcome).markdown()]
    if outcome.notes:
        parts += ["## About whole sets", "\n".join(f"- {_note(note)}" for note in outcome.notes)]
    if outcome.works:
        parts += ["## Works", of_works(outcome).markdown()]
        parts += [f"### {of_spread(outcome).title}", of_spread(outcome).markdown()] if outcome.spread else []
    if outcome.dropped:
        parts += ["## Dropped rows", _more(outcome.dropped)]
        parts += [_row_markdown(row) for row in outcome.dropped[:MAX_ROWS]]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row_markdown(row: Dropped) -> str:
    lines = [f"**{row.id or 'no row'}** ({row.file.name}:{row.line})"]
    if row.chat:
        lines[0] += f": {_plain(excerpt(row.chat.messages[0].content, 100))}"
    return "\n".join([*lines, "", *(f"- {_plain(str(finding))}" for finding in row.findings)])


def _plain(text: str) -> str:
    """With what Markdown would take for its own made harmless."""
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|" else character for character in text)


def _note(note: Finding) -> str:
    return f"{note.where} ({LANGUAGES[note.where].english_name}): {note.detail}"


def _more(dropped: Sequence[Dropped]) -> str:
    return (
        ""
        if len(dropped) <= MAX_ROWS
        else f"The first {MAX_ROWS} of {len(dropped):,}; findings.jsonl has all."
    )


def page(outcome: Outcome, *, plots: bool = True) -> str:
    """The report as one HTML page that needs nothing beside it."""
    parts = ["<h1>Validation</h1>", f'<p class="summary">{html.escape(summary(outcome))}</p>']
    if plots:
        parts.append(picture(partial(kept_by_language, outcome), "Rows kept and dropped by language"))
        if outcome.dropped:
            parts.append(picture(partial(reasons_by_language, outcome), "Reasons by language"))
    parts.append(by_language(outcome).html())
    if outcome.dropped:
        parts.append(by_reason(outcome).html())
    if outcome.notes:
        notes = "".join(f"<li>{html.escape(_note(note))}</li>" for note in outcome.notes)
        parts.append(f"<h2>About whole sets</h2><ul>{notes}</ul>")
    if outcome.works:
        parts += ["<h2>Works</h2>"]
        if plots and outcome.spread:
            parts.append(picture(partial(catalogue_spread, outcome), "Works in many languages"))
        parts += [f"<details><summary>By language</summary>{of_works(outcome).html()}</details>"]
    if outcome.dropped:
        parts += ["<h2>Dropped rows</h2>", f"<p>{_more(outcome.dropped)}</p>"]
        parts += [_row_html(row) for row in outcome.dropped[:MAX_ROWS]]
    return _PAGE.replace("<!-- body -->", "\n".join(parts))


def _row_html(row: Dropped) -> str:
    findings = "".join(
        f'<li><span class="check">{html.escape(each.check)}</span> {html.escape(each.where)} '
        f"<bdi>{html.escape(each.detail)}</bdi></li>"
        for each in row.findings
    )
    turns = row.chat.messages if row.chat else ()
    said = "".join(f'<p class="{turn.role}" dir="auto">{html.escape(turn.content)}</p>' for turn in turns)
    shown = f"<details><summary>The chat</summary>{said}</details>" if said else ""
    title = f"{html.escape(row.id or 'no row')} <small>{html.escape(row.file.name)}:{row.line}</small>"
    return f"<section><h3>{title}</h3><ul>{findings}</ul>{shown}</section>"


def _record(row: Dropped) -> dict[str, object]:
    findings = [{"check": each.check, "where": each.where, "detail": each.detail} for each in row.findings]
    place = {"file": row.file.name, "line": row.line}
    return {"id": row.id, "language": row.language, **place, "findings": findings}


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Validation</title>
<style>
:root { color-scheme: light dark; --ink: light-dark(#1f2933, #e4e7eb); --pale: light-dark(#616e7c, #b5bac1);
        --line: light-dark(#e4e7eb, #3e4c59); --bad: light-dark(#b5563c, #e08a72); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: light-dark(#fff, #1e1f22);
       max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h3 { margin: 0 0 .3rem; font-size: 1rem; }
small { color: var(--pale); font-weight: 400; }
.summary { font-size: 1.2rem; } img { max-width: 100%; height: auto; margin: 1rem 0; border-radius: 4px; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { text-align: left; padding: .2rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; } .sum td { font-weight: 600; }
section { border: 1px solid var(--line); border-left: 4px solid var(--bad); padding: .7rem 1rem; margin: .8rem 0; }
section ul { margin: .2rem 0 .4rem; padding-left: 1.2rem; }
summary { cursor: pointer; color: light-dark(#2f6f8f, #6fb3d3); }
.check { font-weight: 600; color: var(--bad); }
.user, .assistant { white-space: pre-wrap; margin: .5rem 0; padding: .5rem .8rem; }
.user { background: light-dark(#eef3f6, #2a323a); } .assistant { background: light-dark(#faf6f0, #2f2c27); }
</style>
</head>
<body>
<!-- body -->
</body>
</html>
"""

"""What an import did, as tables."""

from __future__ import annotations

from collections import Counter

from model.languages import LANGUAGES
from training.importing.chats import Imported
from training.importing.languages import ComparedLanguages
from training.importing.works import ImportedWorks
from training.tables import Cell, Table

_SHOWN = 3


def of_chats(imported: Imported) -> list[Table]:
    """How rows were read, what languages they are in, and why rows were passed over."""
    languages = Counter(chat.language for chat in imported.chats)
    rows: list[list[Cell]] = [
        [code, LANGUAGES[code].english_name, languages[code]] for code in LANGUAGES if languages[code]
    ]
    tables = [
        Table(
            "How rows were read", ["form", "rows"], [[shape, n] for shape, n in imported.shapes.most_common()]
        ),
        Table(
            "Chats by language",
            ["", "language", "chats"],
            [*rows, ["", "all", len(imported.chats)]],
            totals=1,
        ),
    ]
    if imported.skipped:
        why: list[list[Cell]] = [
            [reason, len(places), ", ".join(places[:_SHOWN]) + (" …" if len(places) > _SHOWN else "")]
            for reason, places in sorted(imported.skipped.items(), key=lambda item: -len(item[1]))
        ]
        tables.append(Table("Rows passed over", ["why", "rows", "where"], why))
    return tables


def of_works(imported: ImportedWorks) -> list[Table]:
    """How many works each language had and has, and what was merged, taken out and renamed."""
    counts: list[list[Cell]] = [
        [code, LANGUAGES[code].english_name, *imported.counts[code], sum(work.is_local for work in works)]
        for code, works in imported.works.items()
    ]
    merged: list[list[Cell]] = [[name, kind, count] for (name, kind), count in imported.merged.most_common()]
    others: list[list[Cell]] = [[name, count] for name, count in imported.other_languages.most_common()]
    tables = [
        Table("Works by language", ["", "language", "rows", "works", "after filling up", "local"], counts),
        Table("Kinds merged", ["in the table", "is", "rows"], merged),
        Table("Doubles taken out", ["", "name", "the same as"], imported.doubles),
        Table("Left out", ["", "name", "why"], imported.left_out),
        Table("Names from the catalogue", ["", "in the table", "is"], imported.renamed),
        Table("Languages beyond the forty", ["language", "rows"], others),
    ]
    return [table for table in tables if table.rows]


def of_languages(compared: ComparedLanguages) -> list[Table]:
    """What the table has of the forty, and where it differs."""
    summary: list[list[Cell]] = [
        ["of the forty", len(compared.known), ""],
        ["of the forty, missing", len(compared.missing), " ".join(compared.missing)],
        ["twice in the table", len(compared.doubles), " ".join(compared.doubles)],
        ["beyond the forty", len(compared.other), " ".join(code for code, _ in compared.other)],
    ]
    tables = [
        Table("Languages", ["", "languages", "which"], summary),
        Table("Scripts that differ", ["", "in the table", "here"], compared.scripts),
    ]
    return [table for table in tables if table.rows]

"""`python -m training import`: bring in chats and works from elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.importing.reading import Source
    from training.tables import Table


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "import",
        help="bring in chats and works from files or from the Hub",
        description="Reads JSON, JSONL, CSV, TSV and Parquet, and datasets of the Hub, such as "
        "robgonsalves/Multilingual-FanFic-Chat-4K. What a row is, is told by its columns: OpenAI messages, ShareGPT, "
        "Alpaca, prompts and responses, strings with special tokens; or works (properties.csv), or languages "
        "(languages.csv). Check what came in with `validate`.",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a file, a folder, or owner/name of a dataset of the Hub"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where <code>.jsonl go, or <code>.json for works (default: runs/import)",
    )
    parser.add_argument("--split", metavar="NAME", help="of a dataset of the Hub (default: all)")
    parser.add_argument(
        "--language", metavar="CODE", help="the language of all rows (default: as they say or read)"
    )
    parser.add_argument("--name", metavar="NAME", help="goes into the rows' ids (default: the source's name)")
    parser.add_argument(
        "--fill", action="store_true", help="works: fill up to twenty a language from the catalogue"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read everything, see what it is, write it in this dataset's form; 1 where nothing could be used."""
    from model.languages import find_language
    from training.errors import CannotRead
    from training.importing import languages, works
    from training.importing.reading import read_source

    language = find_language(options.language) if options.language else None
    if options.language and language is None:
        raise CannotRead(f"{options.language!r} is none of the forty languages")
    sources = list(read_source(options.source, split=options.split))
    columns = set(sources[0].row) if sources else set()
    output = options.output or Path("runs/import")
    if columns >= works.COLUMNS:
        return _works(sources, output, fill=options.fill)
    if columns >= languages.COLUMNS and not columns & {"messages", "text", "prompt"}:
        return _languages(sources)
    name = options.name or Path(options.source).stem
    return _chats(sources, output, name, language.code if language else None)


def _chats(sources: Sequence[Source], output: Path, name: str, language: str | None) -> int:
    from training.chats import write_chats
    from training.importing.chats import import_chats
    from training.importing.report import of_chats
    from training.progress import bar

    with bar("importing", len(sources)) as tick:
        imported = import_chats(sources, name=name, language=language, tick=tick)
    for code in dict.fromkeys(chat.language for chat in imported.chats):
        write_chats(output / f"{code}.jsonl", (chat for chat in imported.chats if chat.language == code))
    said = f"{len(imported.chats):,} of {len(sources):,} rows became chats"
    _show(of_chats(imported), f"{said}, in {output}" if imported.chats else said)
    return 0 if imported.chats else 1


def _works(sources: Sequence[Source], output: Path, *, fill: bool) -> int:
    from training.chats import write_properties
    from training.importing.report import of_works
    from training.importing.works import import_works

    imported = import_works(sources, fill=fill)
    for code, listed in imported.works.items():
        write_properties(output / f"{code}.json", listed)
    total = sum(map(len, imported.works.values()))
    _show(of_works(imported), f"{total:,} works of {len(imported.works)} languages, in {output}")
    return 0 if total else 1


def _languages(sources: Sequence[Source]) -> int:
    from training.importing.languages import compare_languages
    from training.importing.report import of_languages

    _show(
        of_languages(compare_languages(sources)),
        "Nothing is written: the catalogue's own table stays as it is.",
    )
    return 0


def _show(tables: Sequence[Table], last: str) -> None:
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table.rich())
    console.print(last, markup=False)

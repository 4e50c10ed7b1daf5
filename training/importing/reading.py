"""Rows from files (JSON, JSONL, CSV, TSV, Parquet, each also gzipped), folders of them, and datasets of the Hub."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import CannotRead, MissingExtra

Row = Mapping[str, Any]

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_WRAPPERS = ("rows", "data", "train", "examples", "conversations", "items")
_MAX_FIELD = 2**31 - 1
_MOST_BYTES = 2**30
"""Of a file, and of what it unpacks to."""
_MOST_COLUMNS = 1000
_PARQUET_ROWS = 256


@dataclass(frozen=True, slots=True)
class Source:
    """A row and where it stands: `name:number`, counted from 1 (for CSV and JSONL the line it begins in)."""

    row: Row
    place: str


def read_source(source: str, *, split: str | None = None) -> Iterator[Source]:
    """The rows of a file, of all files of a folder, or of a dataset `owner/name` of the Hub, in their order.

    `split` names one split of a dataset of the Hub; without it all are read. Raises `CannotRead`, and `MissingExtra`.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if _suffix(each) in _SUFFIXES)
        if not files:
            raise CannotRead(f"{path} has no {', '.join(_SUFFIXES)}")
        for file in files:
            yield from read_file(file)
    elif path.exists():
        yield from read_file(path)
    elif _HUB_NAME.fullmatch(source):
        yield from _read_hub(source, split)
    else:
        raise CannotRead(f"{source} is no file, no folder, and no dataset of the Hub")


def read_file(path: Path) -> Iterator[Source]:
    """The rows of one file. Raises `CannotRead`."""
    readers = {
        ".json": _read_json,
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".parquet": _read_parquet,
    }
    suffix = _suffix(path)
    if suffix not in readers:
        raise CannotRead(f"{path}: {suffix or 'a file without ending'} is none of {', '.join(_SUFFIXES)}")
    try:
        for number, row in readers[suffix](_content(path)):
            yield Source(row, f"{path.name}:{number}")
    except RecursionError:
        raise CannotRead(f"{path} cannot be read as {suffix[1:]}: it is nested too deeply") from None
    except (ValueError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CannotRead(f"{path} cannot be read as {suffix[1:]}: {error}") from error


def _content(path: Path) -> bytes:
    """A file's bytes, unpacked, as long as they are not too many: a few kilobytes can unpack to gigabytes."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES // 2**20} MB")
    return content


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig")


def _read_json(content: bytes) -> Iterator[tuple[int, Row]]:
    """A list of rows, an object of columns or of rows, or JSONL that is called JSON."""
    try:
        found = json.loads(_text(content))
    except json.JSONDecodeError as error:
        if "Extra data" not in error.msg:
            raise
        yield from _read_jsonl(content)
        return
    yield from enumerate(_unwrapped(found), 1)


def _unwrapped(found: Any) -> Iterable[Row]:
    if isinstance(found, list):
        # The dataset viewer's API wraps each row.
        rows = [
            each["row"] if isinstance(each, dict) and isinstance(each.get("row"), dict) else each
            for each in found
        ]
        return [row if isinstance(row, dict) else {"messages": row} for row in rows]
    if isinstance(found, dict):
        for name in _WRAPPERS:
            inner = found.get(name)
            if isinstance(inner, list) and inner and isinstance(inner[0], dict) and not _is_turn(inner[0]):
                return _unwrapped(inner)
        columns = list(found.values())
        if columns and all(isinstance(each, list) and len(each) == len(columns[0]) for each in columns):
            return [dict(zip(found, values, strict=True)) for values in zip(*columns, strict=True)]
        return [found]
    raise ValueError("neither a list nor an object")


def _is_turn(row: Row) -> bool:
    return bool({"role", "from"} & set(row)) and bool({"content", "value"} & set(row))


def _read_jsonl(content: bytes) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(_text(content).split("\n"), 1):
        if line.strip():
            try:
                found = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error}") from error
            yield number, found if isinstance(found, dict) else {"messages": found}


def _read_csv(content: bytes) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(_MAX_FIELD)
    text = _text(content)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    # Each row has all columns, so that many of both would be very many.
    if len(reader.fieldnames or ()) > _MOST_COLUMNS:
        raise ValueError(f"it has more than {_MOST_COLUMNS} columns")
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if name is not None}


def _read_parquet(content: bytes) -> Iterator[tuple[int, Row]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra from error
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(content))
    except pyarrow.ArrowException as error:
        raise ValueError(error) from error
    groups = [
        file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)
    ]
    if sum(groups) > _MOST_BYTES:
        raise ValueError(f"it unpacks to more than {_MOST_BYTES // 2**20} MB")
    number = unpacked = 0
    try:
        # Few at a time: what a dictionary holds once can stand in each row.
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
            unpacked += batch.nbytes
            if unpacked > _MOST_BYTES:
                raise ValueError(f"it unpacks to more than {_MOST_BYTES // 2**20} MB")
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(error) from error


def _read_hub(name: str, split: str | None) -> Iterator[Source]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra from error
    try:
        loaded = datasets.load_dataset(name, split=split)
    except Exception as error:  # the library lets many kinds through: network, names, formats
        raise CannotRead(f"the dataset {name} cannot be loaded from the Hub: {error}") from error
    parts = loaded if isinstance(loaded, dict) else {split or "rows": loaded}
    for part, rows in parts.items():
        for number, row in enumerate(rows, 1):
            yield Source(row, f"{name}/{part}:{number}")

"""Runs every check over a dataset and sorts its rows into kept and dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.languages import LANGUAGES
from training.chats import Chat, Property, read_properties, scan_lines
from training.checks.catalogue import check_works, spread
from training.checks.duplicates import find_duplicates
from training.checks.finding import Finding
from training.checks.quotas import check_quotas
from training.checks.row import check_row
from training.errors import MalformedRow, MissingData

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that is not kept, with every reason. `chat` is None where the line is no row at all."""

    file: Path
    line: int
    id: str
    language: str
    chat: Chat | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was kept and dropped, what is to be said of whole sets, and works in many languages."""

    kept: tuple[Chat, ...]
    dropped: tuple[Dropped, ...]
    notes: tuple[Finding, ...] = ()
    works: Mapping[str, Sequence[Property]] = field(default_factory=dict)
    spread: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.kept) + len(self.dropped)

    @property
    def passed(self) -> bool:
        """Whether no row was dropped and every list of works keeps the rules."""
        return not self.dropped and not any(note.check == "catalogue" for note in self.notes)

    def languages(self) -> list[str]:
        """The codes that occur, in the order of languages; `?` last, for lines that say none."""
        present = {chat.language for chat in self.kept} | {row.language for row in self.dropped}
        return [code for code in (*LANGUAGES, "?") if code in present]

    def counts(self, language: str) -> tuple[int, int]:
        """How many rows of a language were kept and dropped."""
        kept = sum(chat.language == language for chat in self.kept)
        return kept, sum(row.language == language for row in self.dropped)

    def reasons(self) -> Counter[tuple[str, str]]:
        """(language, check) → rows in which the check found something."""
        return Counter(
            (row.language, check) for row in self.dropped for check in {each.check for each in row.findings}
        )


@dataclass(frozen=True, slots=True)
class _Line:
    file: Path
    number: int
    row: Chat | MalformedRow


def chat_files(path: Path) -> list[Path]:
    """The JSONL files that a path means: itself, those in it, or those in its `chats`. Raises `MissingData`."""
    if path.is_file():
        return [path]
    folder = path / "chats" if (path / "chats").is_dir() else path
    files = sorted(folder.glob("*.jsonl"))
    order = {f"{code}.jsonl": place for place, code in enumerate(LANGUAGES)}
    if not files:
        raise MissingData(f"{path} has no *.jsonl")
    return sorted(files, key=lambda file: (order.get(file.name, len(order)), file.name))


def validate(files: Sequence[Path], properties: Path | None = None, tick: Tick = lambda: None) -> Outcome:
    """Check every row of these files, and the lists of works in the folder `properties`, where it is given.

    `tick` is called twice a row. Raises `MissingData`.
    """
    lines = [_Line(file, number, row) for file in files for number, row in scan_lines(file)]
    findings: list[list[Finding]] = []
    for line in lines:
        tick()
        if isinstance(line.row, Chat):
            findings.append(check_row(line.row))
        else:
            findings.append([Finding("schema", "", line.row.reason)])
    _add_repeated_ids(lines, findings)
    _add_duplicates(lines, findings, tick)
    kept = [
        line.row
        for line, found in zip(lines, findings, strict=True)
        if not found and isinstance(line.row, Chat)
    ]
    dropped = [_dropped(line, found) for line, found in zip(lines, findings, strict=True) if found]
    works = read_catalogue(properties) if properties else {}
    by_language = {code: [chat for chat in kept if chat.language == code] for code in LANGUAGES}
    notes = [note for code, chats in by_language.items() if chats for note in check_quotas(code, chats)]
    notes += [note for code, each in works.items() for note in check_works(code, each)]
    return Outcome(tuple(kept), tuple(dropped), tuple(notes), works, spread(works))


def count_rows(files: Sequence[Path]) -> int:
    """How many rows there are to check."""
    return sum(1 for file in files for _ in scan_lines(file))


def read_catalogue(folder: Path) -> dict[str, list[Property]]:
    """Code → works, for every `<code>.json` of the forty in `folder`. Raises `MissingData` and `MalformedRow`."""
    found = {code: folder / f"{code}.json" for code in LANGUAGES}
    works = {code: read_properties(path) for code, path in found.items() if path.exists()}
    if not works:
        raise MissingData(f"{folder} has no <code>.json of any of the forty languages")
    return works


def _add_repeated_ids(lines: Sequence[_Line], findings: Sequence[list[Finding]]) -> None:
    """Rows that are dropped anyway are not the first of their id."""
    seen: dict[str, _Line] = {}
    for line, found in zip(lines, findings, strict=True):
        if isinstance(line.row, Chat):
            if (first := seen.get(line.row.id)) is None:
                if not found:
                    seen[line.row.id] = line
            else:
                found.append(Finding("schema", "id", f"the same as in {first.file.name}:{first.number}"))


def _add_duplicates(lines: Sequence[_Line], findings: Sequence[list[Finding]], tick: Tick) -> None:
    """Rows that are dropped anyway are no originals for others to repeat."""
    good = [
        (place, line.row)
        for place, line in enumerate(lines)
        if isinstance(line.row, Chat) and not findings[place]
    ]
    for number, finding in find_duplicates([chat for _, chat in good], tick).items():
        findings[good[number][0]].append(finding)


def _dropped(line: _Line, found: Sequence[Finding]) -> Dropped:
    if isinstance(line.row, Chat):
        return Dropped(line.file, line.number, line.row.id, line.row.language, line.row, tuple(found))
    language = line.file.stem if line.file.stem in LANGUAGES else "?"
    return Dropped(line.file, line.number, "", language, None, tuple(found))

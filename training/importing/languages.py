"""A table of languages, as in the article's repository, held against the forty.

The table of the forty is the catalogue's and is not changed by this: what differs is reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from model.languages import LANGUAGES
from training.importing.reading import Source

COLUMNS = frozenset({"language", "script", "wp_code"})
_SAME_SCRIPT = {"Hang": "Kore", "Kore": "Kore", "Jpan": "Jpan", "Hans": "Hans"}


@dataclass
class ComparedLanguages:
    """Codes of the forty that the table has and has not, scripts that differ, and languages beyond the forty."""

    known: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    other: list[tuple[str, str]] = field(default_factory=list)
    scripts: list[tuple[str, str, str]] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)


def compare_languages(sources: Iterable[Source]) -> ComparedLanguages:
    """Hold the rows against the forty."""
    compared = ComparedLanguages()
    for source in sources:
        code, script = (str(source.row.get(name) or "").strip() for name in ("wp_code", "script"))
        if code in compared.known:
            compared.doubles.append(code)
        elif code not in LANGUAGES:
            compared.other.append((code, str(source.row.get("language") or "").strip()))
        else:
            compared.known.append(code)
            own = LANGUAGES[code].script
            if own not in {_SAME_SCRIPT.get(part, part) for part in script.split("/")}:
                compared.scripts.append((code, script, own))
    compared.missing = [code for code in LANGUAGES if code not in compared.known]
    return compared

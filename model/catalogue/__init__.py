"""The works that ship with FanFabler: 800 properties, twenty per language, and short notes about most of them.

The notes stand in for Wikipedia where it is out of reach. They are drawn from the training chats by
`training/bundled_notes.py`; `README.md` beside this file has their source and licence.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from model.errors import CatalogueError
from model.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class Property:
    """A work that speakers of `language` write about. `wikipedia_title` is the title to search for, not exact."""

    language: str
    local_name: str
    english_name: str
    property_type: str
    is_local: bool
    wikipedia_title: str


@dataclass(frozen=True, slots=True)
class Note:
    """A few sober sentences about a work, in `language`; `names` are what else it is called."""

    language: str
    title: str
    text: str
    names: tuple[str, ...] = ()


@cache
def load_properties(code: str) -> tuple[Property, ...]:
    """The twenty works of a language, in the order in which they were chosen. Raises `CatalogueError`."""
    try:
        return tuple(Property(language=code, **row) for row in _read("properties", code))
    except TypeError as error:
        raise CatalogueError(f"properties/{code}.json is malformed: {error}") from error


@cache
def load_notes(code: str) -> tuple[Note, ...]:
    """The bundled notes in a language. Raises `CatalogueError`."""
    try:
        return tuple(
            Note(code, row["title"], row["text"], tuple(row["names"])) for row in _read("notes", code)
        )
    except (KeyError, TypeError) as error:
        raise CatalogueError(f"notes/{code}.json is malformed: {error!r}") from error


def _read(kind: str, code: str) -> list[dict[str, Any]]:
    if code not in LANGUAGES:
        raise CatalogueError(f"there is no language {code!r} in the catalogue")
    try:
        rows: list[dict[str, Any]] = json.loads(
            files("model.catalogue").joinpath(kind, f"{code}.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{kind}/{code}.json cannot be read: {error}") from error
    return rows


def find_property(term: str, code: str) -> Property | None:
    """The work of a language's twenty that is called so there, in English or by Wikipedia's title."""
    wanted = {_fold(term), _fold(_without_brackets(term))} - {""}
    for work in load_properties(code):
        names = (work.local_name, work.english_name, work.wikipedia_title)
        if wanted & {_fold(form) for name in names for form in (name, _without_brackets(name))}:
            return work
    return None


def find_note(term: str, code: str) -> Note | None:
    """The bundled note about what `term` names, in the language of this code; None where there is none.

    Tried in turn: the same title, the same without what stands in brackets, another name of the work (its
    English one too), a title that begins with the term or the term with a title, at a word's end. Case,
    accents' encoding and punctuation do not matter.
    """
    index = _index(code)
    wanted = _fold(term)
    if not wanted:
        return None
    return index.get(wanted) or index.get(_fold(_without_brackets(term))) or _by_beginning(wanted, index)


def find_notes(term: str, code: str, limit: int) -> list[Note]:
    """The bundled notes with the term in a title or another name, in the order of the catalogue."""
    wanted = _fold(term)
    if not wanted:
        return []
    named = (
        note for note in load_notes(code) if any(wanted in _fold(name) for name in (note.title, *note.names))
    )
    return list(islice(named, limit))


def titles_of_notes(prefix: str, code: str) -> list[str]:
    """The titles of the bundled notes that begin like this."""
    wanted = _fold(prefix)
    return [note.title for note in load_notes(code) if wanted and _fold(note.title).startswith(wanted)]


def search_properties(typed: str, code: str) -> list[Property]:
    """The works of all languages with a name that begins like this, or has a word that does; each work once, those of
    the language `code` first. Nothing typed finds the language's own."""
    wanted = _fold(typed)
    if not wanted:
        return list(load_properties(code))
    ranked: dict[str, tuple[tuple[bool, bool], int, Property]] = {}
    for place, (work, names) in enumerate(_all_names(code)):
        begins = any(name.startswith(wanted) for name in names)
        if begins or any(f" {wanted}" in name or _stands_within(wanted, name) for name in names):
            ranked.setdefault(_fold(work.english_name), ((work.language != code, not begins), place, work))
    return [work for _, _, work in sorted(ranked.values(), key=lambda found: found[:2])]


def _stands_within(wanted: str, name: str) -> bool:
    """Whether it stands in a name of a script that writes no blanks between words."""
    return _weight(wanted) > len(wanted) and wanted in name


@cache
def _all_names(code: str) -> tuple[tuple[Property, tuple[str, ...]], ...]:
    """All works with their folded names, those of one language first."""
    codes = [code, *(other for other in LANGUAGES if other != code)]
    return tuple(
        (work, tuple({_fold(name) for name in (work.local_name, work.english_name, work.wikipedia_title)}))
        for each in codes
        for work in load_properties(each)
    )


@cache
def _index(code: str) -> dict[str, Note]:
    """Folded name → note. Exact titles go before titles without brackets, and those before other names."""
    index: dict[str, Note] = {}
    notes = load_notes(code)
    for note in notes:
        index.setdefault(_fold(note.title), note)
    for note in notes:
        index.setdefault(_fold(_without_brackets(note.title)), note)
    for note in notes:
        for name in note.names:
            index.setdefault(_fold(name), note)
            index.setdefault(_fold(_without_brackets(name)), note)
    index.pop("", None)
    return index


def _by_beginning(wanted: str, index: dict[str, Note]) -> Note | None:
    """The note whose name begins with `wanted` or the other way round; the closest in length, if long enough."""
    candidates = [name for name in index if _begins(name, wanted) or _begins(wanted, name)]
    if not candidates:
        return None
    return index[min(candidates, key=lambda name: (abs(len(name) - len(wanted)), name))]


def _begins(whole: str, beginning: str) -> bool:
    """Whether `whole` begins with `beginning`, which ends a word there and is too long to be an accident."""
    if not whole.startswith(beginning) or _weight(beginning) < 5:
        return False
    rest = whole[len(beginning) :]
    return not rest or rest[0] == " " or _weight(beginning[-1]) > 1


def _weight(text: str) -> int:
    """Length in letters of an alphabet: an ideograph, kana or Hangul syllable counts for two and more."""
    return sum(3 if unicodedata.east_asian_width(character) == "W" else 1 for character in text)


_BRACKETS = re.compile(r"\s*[(（\[【].*?[)）\]】]\s*")


def _without_brackets(text: str) -> str:
    return _BRACKETS.sub(" ", text)


def _fold(text: str) -> str:
    """Lower case, compatible forms made equal, and only letters, marks and digits with single blanks between."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split())

"""Lists of works from a table of properties: kinds merged, doubles taken out, counts repaired.

The table is as in the article's repository: `local_name, english_name, property_type, is_local, language, script,
wp_code`. What is not a work that people write about (festivals, food, sports) is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from model.catalogue import Property as Known
from model.catalogue import find_property, load_properties
from model.languages import LANGUAGES, find_language
from training.chats import PROPERTY_TYPES, Property
from training.checks.catalogue import LOCAL_SHARE, WORKS
from training.checks.words import letters, script_share
from training.importing.reading import Source
from training.works import group_works, name_key

COLUMNS = frozenset({"local_name", "english_name", "property_type", "is_local"})

_KINDS = {
    "book": "book books novel novels novella story stories short_story poem poems poetry anthology literature "
    "book_series light_novel children_s_book",
    "comic": "comic comics comic_book comic_books graphic_novel graphic_novels webcomic webtoon",
    "manga": "manga mangas",
    "anime": "anime animes",
    "animation": "animation animations cartoon cartoons animated_series animated_film animated_movie",
    "film": "film films movie movies short_film documentary film_series",
    "tv_series": "tv_series tv_show tv_shows show shows series web_series tv television television_series soap_opera "
    "drama telenovela k_drama sitcom mini_series",
    "video_game": "video_game video_games game games videogame videogames computer_game",
    "folklore": "folklore folk_tale folk_tales folktale fairy_tale fairy_tales myth mythology legend legends epic saga",
    "theatre": "theatre theater play plays musical musicals opera operas mythological_drama ballet",
    "web_novel": "web_novel web_novels webnovel",
    "music": "music song songs album music_album folk_music",
    "podcast": "podcast podcasts audio_drama radio_drama",
    "tabletop_game": "tabletop_game tabletop_games board_game role_playing_game tabletop_role_playing_game "
    "tabletop_role_playing_games tabletop_rpg",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in (kind, *names.split())}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "y", "local"}), frozenset({"false", "0", "no", "n", ""})


@dataclass
class ImportedWorks:
    """Code → works, and what was done to them.

    `merged` counts the names of kinds that became another, `doubles` and `left_out` say which rows went and why,
    `renamed` which names were taken from the catalogue, `counts` how many works a language had and has.
    """

    works: dict[str, list[Property]] = field(default_factory=dict)
    merged: Counter[tuple[str, str]] = field(default_factory=Counter)
    doubles: list[tuple[str, str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    renamed: list[tuple[str, str, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    other_languages: Counter[str] = field(default_factory=Counter)


def kind_of(name: str) -> str | None:
    """The kind of work that a name means: `books` and `novel` are `book`, `books/movies` the first; else None."""
    for part in name.lower().replace(",", "/").split("/"):
        key = "_".join("".join(c if c.isalnum() else " " for c in part).split())
        if key in _KIND_OF:
            return _KIND_OF[key]
    return None


def import_works(sources: Iterable[Source], *, fill: bool = False) -> ImportedWorks:
    """Twenty works a language at most, of those of the forty that the table has.

    With `fill`, languages that have fewer are filled up from the shipped catalogue.
    """
    imported = ImportedWorks()
    rows: defaultdict[str, list[Source]] = defaultdict(list)
    for source in sources:
        named = str(source.row.get("wp_code") or source.row.get("language") or "").strip()
        # `zh-yue` and `be-tarask` are Wikipedias of their own, no varieties of `zh` and `be`.
        language = find_language(named) if named in LANGUAGES or "-" not in named else None
        if language is None:
            imported.other_languages[str(source.row.get("language") or named or "unknown")] += 1
        else:
            rows[language.code].append(source)
    for code in LANGUAGES:
        if code in rows:
            works = _without_doubles(code, _read_works(code, rows[code], imported), imported)
            kept = works[:WORKS]
            imported.left_out += [
                (code, work.english_name, f"beyond the first {WORKS}") for work in works[WORKS:]
            ]
            whole = _filled(code, kept) if fill else kept
            imported.works[code] = whole
            imported.counts[code] = (len(rows[code]), len(kept), len(whole))
    return imported


def _read_works(code: str, sources: Sequence[Source], imported: ImportedWorks) -> list[Property]:
    works = []
    for source in sources:
        row = {name: str(source.row.get(name) or "").strip() for name in (*COLUMNS, "wikipedia_title")}
        kind, local = kind_of(row["property_type"]), _truth(row["is_local"])
        name = row["english_name"] or row["local_name"]
        if kind is None:
            imported.left_out.append(
                (code, name, f"{row['property_type'] or 'nothing'!r} is no kind of work")
            )
        elif local is None or not name:
            imported.left_out.append((code, name, f"unreadable at {source.place}"))
        else:
            if kind != row["property_type"]:
                imported.merged[row["property_type"], kind] += 1
            works.append(_work(code, row, kind, is_local=local, imported=imported))
    return works


def _work(
    code: str, row: Mapping[str, str], kind: str, *, is_local: bool, imported: ImportedWorks
) -> Property:
    """The row's work; a name in another script than the language's is replaced where the catalogue has it."""
    english, local = row["english_name"] or row["local_name"], row["local_name"] or row["english_name"]
    known = find_property(english, code)
    if known and letters(local) and script_share(local, code) == 0 < script_share(known.local_name, code):
        imported.renamed.append((code, local, known.local_name))
        local = known.local_name
    return Property(
        local_name=local,
        english_name=english,
        property_type=kind,
        is_local=is_local,
        wikipedia_title=row["wikipedia_title"] or (known.wikipedia_title if known else local),
    )


def _truth(text: str) -> bool | None:
    folded = text.casefold()
    return True if folded in _TRUE else False if folded in _FALSE else None


def _without_doubles(code: str, works: Sequence[Property], imported: ImportedWorks) -> list[Property]:
    """The first of those with one name, English or local; parts of a series stay works of their own."""
    first: dict[str, Property] = {}
    kept = []
    for work in works:
        keys = (f"english {name_key(work.english_name)}", f"local {work.local_name.casefold()}")
        known = next((first[key] for key in keys if key in first), None)
        if known is not None:
            imported.doubles.append((code, work.english_name, known.english_name))
            continue
        first |= dict.fromkeys(keys, work)
        kept.append(work)
    return kept


def _filled(code: str, works: Sequence[Property]) -> list[Property]:
    """Up to twenty works, from the shipped ones, of the side (local or not) that is short first."""
    filled = list(works)
    names = [*(work.english_name for work in works), *(known.english_name for known in load_properties(code))]
    groups = group_works(names)
    present = {groups[work.english_name] for work in works} | {work.local_name.casefold() for work in works}
    spare = [
        known
        for known in load_properties(code)
        if not present & {groups[known.english_name], known.local_name.casefold()}
    ]
    while len(filled) < WORKS and spare:
        short_of_local = sum(work.is_local for work in filled) < WORKS * sum(LOCAL_SHARE) / 2
        chosen = next((each for each in spare if each.is_local == short_of_local), spare[0])
        spare.remove(chosen)
        filled.append(_shipped(chosen))
    return filled


def _shipped(known: Known) -> Property:
    return Property(
        local_name=known.local_name,
        english_name=known.english_name,
        property_type=known.property_type,
        is_local=known.is_local,
        wikipedia_title=known.wikipedia_title,
    )


assert set(_KINDS) == set(PROPERTY_TYPES)  # noqa: S101 (a slip of the table above)

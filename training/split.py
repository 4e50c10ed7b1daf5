"""Deals the chats out to train, validation and test.

All chats about a work, in whatever languages, go to the same side; within that, every language gets about its
share of each side, and where it has three works or more, one work at least. What was dealt once is kept: new
chats about a known work join it, so that a work held out yesterday is not trained on tomorrow. `splits.json`
writes it down, `splits/<name>.jsonl` are the rows.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model.languages import LANGUAGES
from training.chats import Chat, read_chats, read_folder, write_chats, write_text
from training.errors import DataError, MissingData
from training.works import group_works

SPLITS = ("train", "validation", "test")
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
SEED = 42
MAX_HELD_OUT_LANGUAGES = 4
"""A work that chats in more languages are about is trained on: what is held out shall be many works."""


class SplitRecord(BaseModel):
    """What `splits.json` holds: how it was dealt, the works held out, and the ids of the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    shares: dict[str, float]
    held_out: dict[str, list[str]]
    rows: dict[str, list[str]]


@dataclass(frozen=True)
class _Work:
    """All rows about one work: the name of its group, its names, its rows' ids, and how many each language has."""

    group: str
    names: frozenset[str]
    ids: frozenset[str]
    rows: Counter[str]


def split_folder(data: Path, *, seed: int = SEED, anew: bool = False) -> SplitRecord:
    """Split `data/chats`; writes `data/splits.json` and `data/splits/`. Raises `DataError`.

    `anew` forgets how it was dealt before.
    """
    chats = [chat for rows in read_folder(data / "chats").values() for chat in rows]
    if not chats:
        raise DataError(f"{data / 'chats'} has no chats")
    before = None if anew else read_record(data / "splits.json", missing_ok=True)
    record = deal(chats, seed=before.seed if before else seed, before=before, fill=True)
    by_id = {chat.id: chat for chat in chats}
    for name in SPLITS:
        write_chats(data / "splits" / f"{name}.jsonl", (by_id[each] for each in record.rows[name]))
    write_text(data / "splits.json", record.model_dump_json(indent=1) + "\n")
    return record


def read_record(path: Path, *, missing_ok: bool = False) -> SplitRecord | None:
    """What was dealt before. Raises `MissingData` (unless `missing_ok`) and `DataError`."""
    try:
        return SplitRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        if missing_ok:
            return None
        raise MissingData(f"there is no {path}; python -m training split makes it") from error
    except ValidationError as error:
        raise DataError(f"{path} is no record of a split: {error}") from error


def nothing_held_out(data: Path) -> dict[str, list[str]]:
    """Side → the languages that have chats, and none on that side."""
    present = {
        side: {chat.language for chat in read_chats(data / "splits" / f"{side}.jsonl")} for side in SPLITS
    }
    everywhere = set().union(*present.values())
    return {side: [code for code in LANGUAGES if code in everywhere - present[side]] for side in SPLITS[1:]}


def deal(
    chats: Sequence[Chat], *, seed: int = SEED, before: SplitRecord | None = None, fill: bool = False
) -> SplitRecord:
    """Give every chat a side. The order of `chats` is kept within each; it does not matter otherwise.

    `fill` has every language with three works hold one out for each side, however large its works are.
    """
    repeated = [each for each, count in Counter(chat.id for chat in chats).items() if count > 1]
    if repeated:
        raise DataError(f"ids that occur more than once: {', '.join(repeated[:5])}")
    group_of = _groups(chats)
    works = _works(chats, group_of)
    room = _quotas(chats)
    sides: dict[str, str] = {}
    for work in works:
        if side := _known_side(work, before):
            _place(work, side, sides, room)
    rest = [work for work in works if work.group not in sides]
    chance = random.Random(seed)
    chance.shuffle(rest)
    # Works in several languages go first, by chance; those in one language then fill up what is left.
    for work in sorted(rest, key=lambda work: -len(work.rows)):
        held_out = len(work.rows) == 1 or chance.random() < 1 - SHARES["train"]
        _place(work, _emptier_side(work, room) if held_out else "train", sides, room)
    if fill:
        _fill_empty_sides(works, rest, sides)
    names = {
        side: sorted(name for work in works if sides[work.group] == side for name in work.names)
        for side in SPLITS[1:]
    }
    rows = {side: [chat.id for chat in chats if sides[group_of[chat.id]] == side] for side in SPLITS}
    return SplitRecord(seed=seed, shares=SHARES, held_out=names, rows=rows)


def _groups(chats: Iterable[Chat]) -> dict[str, str]:
    """Id → the group of its work; a chat about no work is a group of its own."""
    chats = list(chats)
    groups = group_works(chat.property for chat in chats)
    return {chat.id: groups.get(chat.property, f"row {chat.id}") for chat in chats}


def _works(chats: Sequence[Chat], group_of: Mapping[str, str]) -> list[_Work]:
    names: defaultdict[str, set[str]] = defaultdict(set)
    ids: defaultdict[str, set[str]] = defaultdict(set)
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for chat in chats:
        group = group_of[chat.id]
        names[group].add(chat.property or group)
        ids[group].add(chat.id)
        rows[group][chat.language] += 1
    return [
        _Work(group, frozenset(names[group]), frozenset(ids[group]), rows[group]) for group in sorted(names)
    ]


def _quotas(chats: Iterable[Chat]) -> dict[str, Counter[str]]:
    """Side → language → rows that it shall have; each held-out side at least one where there are three rows."""
    sizes = Counter(chat.language for chat in chats)
    room: dict[str, Counter[str]] = {side: Counter() for side in SPLITS}
    for code, size in sizes.items():
        for side in SPLITS[1:]:
            room[side][code] = max(round(SHARES[side] * size), 1) if size >= len(SPLITS) else 0
        room["train"][code] = size - sum(room[side][code] for side in SPLITS[1:])
    return room


def _known_side(work: _Work, before: SplitRecord | None) -> str | None:
    """Where the work was dealt to before; held out, if names that have become one work were on both sides."""
    if before is None:
        return None
    for side in ("test", "validation", "train"):
        if work.names & set(before.held_out.get(side, ())) or work.ids & set(before.rows.get(side, ())):
            return side
    return None


def _emptier_side(work: _Work, room: Mapping[str, Counter[str]]) -> str:
    """The held-out side with more room, where every language of the work has room there; else train."""
    sides = [side for side in SPLITS[1:] if all(room[side][code] >= n for code, n in work.rows.items())]
    if not sides or len(work.rows) > MAX_HELD_OUT_LANGUAGES:
        return "train"
    return max(sides, key=lambda side: room[side].total())


def _fill_empty_sides(works: Sequence[_Work], movable: Sequence[_Work], sides: dict[str, str]) -> None:
    """Hold the smallest work out for a side that has none of a language, as where its works are larger than its share.

    Only languages with a work for every side have that, and each keeps one to be trained on.
    """

    def has(side: str, code: str) -> int:
        return sum(sides[work.group] == side and code in work.rows for work in works)

    for code in sorted({code for work in works for code in work.rows}):
        if sum(code in work.rows for work in works) < len(SPLITS):
            continue
        for side in SPLITS[1:]:
            if has(side, code):
                continue
            trained = [
                work
                for work in movable
                if sides[work.group] == "train"
                and code in work.rows
                and len(work.rows) <= MAX_HELD_OUT_LANGUAGES
                and all(has("train", each) > 1 for each in work.rows)
            ]
            if trained:
                smallest = min(trained, key=lambda work: (len(work.rows), work.rows.total()))
                sides[smallest.group] = side


def _place(work: _Work, side: str, sides: dict[str, str], room: Mapping[str, Counter[str]]) -> None:
    sides[work.group] = side
    room[side].subtract(work.rows)

"""The dataset's numbers as tables, and the place in its card that holds them."""

from __future__ import annotations

import re
from pathlib import Path

from model.languages import LANGUAGES
from training.chats import TASKS, write_text
from training.errors import DataError
from training.split import SPLITS
from training.stats import LanguageCounts, Stats
from training.tables import Cell, Table

_PLACE = re.compile(r"(<!-- counts: [^\n]*-->\n).*?(<!-- end of counts -->)", re.DOTALL)
LIMITS = (1024, 2048)
"""Tokens that a training example is often cut to."""


def tables(stats: Stats) -> list[Table]:
    """Rows and lengths by language, tasks, kinds of works."""
    return [_languages(stats), _tasks(stats), _property_types(stats)]


def _languages(stats: Stats) -> Table:
    every = _sum(stats)
    rows = [
        _language_row(code, LANGUAGES[code].english_name, counts) for code, counts in stats.languages.items()
    ]
    return Table(
        f"{every.rows:,} chats, {every.lookups:,} with a look-up and {every.six_messages:,} of six messages; "
        f"lengths in Llama 3's tokens, of which {every.answer_tokens:,} are answers",
        ["", "language", "rows", "train / val. / test", "tokens", "median", "95 %", "max"]
        + [f"> {limit:,}" for limit in LIMITS]
        + ["a word"],
        [*rows, _language_row("", "all", every)],
        totals=1,
    )


def _language_row(code: str, name: str, counts: LanguageCounts) -> list[Cell]:
    return [
        code,
        name,
        counts.rows,
        "/".join(f"{counts.splits[side]}" for side in SPLITS),
        counts.total,
        counts.percentile(0.5),
        counts.percentile(0.95),
        counts.tokens[-1],
        *(counts.longer_than(limit) for limit in LIMITS),
        counts.tokens_per_word,
    ]


def _sum(stats: Stats) -> LanguageCounts:
    each = list(stats.languages.values())
    return LanguageCounts(
        rows=stats.rows,
        splits={side: sum(counts.splits[side] for counts in each) for side in SPLITS},
        tasks={task: sum(counts.tasks[task] for counts in each) for task in TASKS},
        lookups=sum(counts.lookups for counts in each),
        six_messages=sum(counts.six_messages for counts in each),
        answer_words=sum(counts.answer_words for counts in each),
        answer_tokens=sum(counts.answer_tokens for counts in each),
        tokens=tuple(sorted(length for counts in each for length in counts.tokens)),
    )


def _tasks(stats: Stats) -> Table:
    every = _sum(stats).tasks
    ordered = sorted(TASKS, key=lambda task: -every[task])
    by_language = {task: [counts.tasks[task] for counts in stats.languages.values()] for task in ordered}
    rows: list[list[Cell]] = [
        [task, every[task], min(by_language[task]), max(by_language[task])] for task in ordered
    ]
    return Table("What is asked for", ["task", "rows", "fewest in a language", "most"], rows)


def _property_types(stats: Stats) -> Table:
    rows: list[list[Cell]] = [
        [kind, local + other, local, other] for kind, (local, other) in stats.property_types.items()
    ]
    local, other = (sum(pair[side] for pair in stats.property_types.values()) for side in (0, 1))
    columns = ["kind of work", "works", "first made in the language", "international"]
    return Table("Works of the catalogue", columns, [*rows, ["all", local + other, local, other]], totals=1)


def write_datasheet(stats: Stats, card: Path) -> None:
    """Put the tables between the card's two marks. Raises `DataError` where it has none."""
    text = card.read_text(encoding="utf-8")
    if not _PLACE.search(text):
        raise DataError(f"{card} has no place for counts")
    write_text(card, _PLACE.sub(lambda place: place[1] + datasheet(stats) + place[2], text))


def datasheet(stats: Stats) -> str:
    """The tables in Markdown, as they stand in the card."""
    return "\n" + "".join(f"**{table.title}**\n\n{table.markdown()}\n\n" for table in tables(stats))

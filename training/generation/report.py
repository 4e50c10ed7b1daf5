"""What a folder's runs have made and cost, by stage and by language: JSON, Markdown, and a table to look at."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from model.languages import LANGUAGES
from training.chats import Chat
from training.generation.budget import Prices
from training.generation.journal import Entry, Usage
from training.generation.made import Dropped
from training.generation.outcome import Outcome
from training.generation.progress import clock
from training.generation.stages import MODEL_STAGES, Stage


@dataclass(slots=True)
class Spent:
    """Calls and what they cost. `lost` calls had no answer; `at_most` is what they may have cost."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    lost: int = 0
    at_most: Usage = field(default_factory=Usage)

    def add(self, entry: Entry) -> None:
        """Count a slot's calls."""
        self.calls += len(entry.replies)
        self.lost += len(entry.lost)
        for reply in entry.replies:
            self.usage += reply.usage
        for worst in entry.lost:
            self.at_most += worst

    def fields(self) -> dict[str, Any]:
        """As the report's JSON has it."""
        return {
            "calls": self.calls,
            "tokens_in": self.usage.tokens_in,
            "tokens_out": self.usage.tokens_out,
            "usd": round(self.usage.usd, 6),
            "estimated": self.usage.estimated,
            "lost_calls": self.lost,
            "lost_usd_at_most": round(self.at_most.usd, 6),
        }


@dataclass(frozen=True, slots=True)
class ThisRun:
    """What the last run alone did; everything else in the report is of all runs of the folder."""

    seconds: float
    calls: int
    retried: int
    window: int
    """Calls that could be under way at once, at the end."""
    shrunk: int
    reply_form: str
    wikipedia_given_up: bool
    bad_replies: Mapping[str, int]


Books = Mapping[Stage, Mapping[str, Entry]]
"""The entries of every journal."""


def total(books: Books) -> Spent:
    """All that was spent."""
    spent = Spent()
    for stage in MODEL_STAGES:
        for entry in books[stage].values():
            spent.add(entry)
    return spent


def build_report(
    books: Books,
    chats: Mapping[str, Sequence[Chat]],
    dropped: Sequence[Dropped],
    outcome: Outcome,
    prices: Prices | None,
    model: str,
    this_run: ThisRun,
) -> dict[str, Any]:
    """The report as JSON has it."""
    by_stage: dict[str, Spent] = {stage.value: Spent() for stage in MODEL_STAGES if books[stage]}
    by_language: dict[str, Spent] = defaultdict(Spent)
    for stage in MODEL_STAGES:
        for slot, entry in books[stage].items():
            by_stage[stage.value].add(entry)
            by_language[slot.split("/", 1)[0]].add(entry)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for each in dropped:
        reasons[each.language][each.kind] += 1
    codes = [code for code in LANGUAGES if code in by_language or chats.get(code) or code in reasons]
    sources = Counter(
        entry.note["from"] or "nothing" for entry in books[Stage.BACKGROUND].values() if entry.note
    )
    return {
        "outcome": outcome.name.casefold(),
        "model": model,
        "prices": None if prices is None else asdict(prices),
        "chats": sum(map(len, chats.values())),
        "dropped": len(dropped),
        "total": total(books).fields(),
        "stages": {name: spent.fields() for name, spent in by_stage.items()},
        "languages": {
            code: {
                "chats": len(chats.get(code, ())),
                "dropped": dict(reasons[code].most_common()),
                **by_language[code].fields(),
            }
            for code in codes
        },
        "background": dict(sources.most_common()),
        "this_run": asdict(this_run),
    }


def as_json(report: Mapping[str, Any]) -> str:
    """The text of `report.json`."""
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The text of `report.md`."""
    all_, run = report["total"], report["this_run"]
    made = (
        f"{report['chats']} chats were written by `{report['model']}`, {report['dropped']} were given up. "
        f"Outcome: {report['outcome']}."
    )
    cost = (
        f"{all_['calls']} calls, {all_['tokens_in']:,} tokens in, {all_['tokens_out']:,} out, {_usd(report, all_)} "
        f"({_price_words(report)}). {_lost_words(all_)}"
    )
    last = (
        f"The last run took {clock(run['seconds'])}, made {run['calls']} calls and sent {run['retried']} again "
        f"after errors; the server takes `{run['reply_form']}`."
    )
    lines = [
        "# What was generated",
        "",
        made,
        "",
        cost.strip(),
        last,
        "",
        "| stage | calls | tokens in | tokens out | USD | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_markdown_row(report, name.replace("_", " "), row) for name, row in report["stages"].items()),
        "",
        "| language | chats | dropped | calls | tokens in | tokens out | USD | lost |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            _markdown_row(report, f"{LANGUAGES[code].english_name} | {row['chats']} | {_reasons(row)}", row)
            for code, row in report["languages"].items()
        ),
        "",
        "Look-ups were answered by: "
        + (", ".join(f"{name} {count}" for name, count in report["background"].items()) or "none were made")
        + ".",
    ]
    return "\n".join(lines) + "\n"


def as_tables(report: Mapping[str, Any]) -> list[Table]:
    """The report for a terminal."""
    stages = Table("stage", *_FIGURES, title="By stage", title_justify="left")
    for name, row in report["stages"].items():
        stages.add_row(name.replace("_", " "), *_figures(report, row))
    stages.add_row("all", *_figures(report, report["total"]), style="bold")
    languages = Table("language", "chats", "dropped", *_FIGURES, title="By language", title_justify="left")
    for code, row in report["languages"].items():
        name = LANGUAGES[code].english_name
        languages.add_row(name, str(row["chats"]), _reasons(row), *_figures(report, row))
    return [stages, languages]


_FIGURES = ("calls", "tokens in", "tokens out", "USD", "lost")


def _figures(report: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    return [
        str(row["calls"]),
        f"{row['tokens_in']:,}",
        f"{row['tokens_out']:,}",
        _usd(report, row).removeprefix("$"),
        str(row["lost_calls"] or ""),
    ]


def _markdown_row(report: Mapping[str, Any], head: str, row: Mapping[str, Any]) -> str:
    return f"| {head} | {' | '.join(_figures(report, row))} |"


def _reasons(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in row["dropped"].items())


def _usd(report: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    return "unknown" if report["prices"] is None else f"${row['usd']:.4f}"


def _price_words(report: Mapping[str, Any]) -> str:
    prices = report["prices"]
    if prices is None:
        return "no price is known for this model: give --price-in and --price-out"
    return f"${prices['per_million_in']:g} and ${prices['per_million_out']:g} per million, {prices['source']}"


def _lost_words(row: Mapping[str, Any]) -> str:
    if not row["lost_calls"]:
        return ""
    return (
        f"The answers of {row['lost_calls']} calls never came in (the process was killed, or they timed out); the "
        f"server may have charged up to ${row['lost_usd_at_most']:.4f} for them."
    )

"""An evaluation as JSON, as Markdown, and as an HTML page with a heat map that needs nothing beside it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from model.languages import LANGUAGES
from training.chats import write_text
from training.evaluation.figures import Figures, Rate
from training.evaluation.heldout import total
from training.evaluation.report_plots import language_heat_map, perplexities
from training.evaluation.result import AS_TUNED, TITLES, Result
from training.plots import picture, save_png
from training.tables import Cell, Table

COLUMNS: Mapping[str, str] = {
    "in_language": "in the language",
    "line_pass": "LCB lines",
    "word_pass": "LCB words",
    "tag_recall": "tag where due",
    "tag_absence": "none where not",
    "tag_precision": "tags that are due",
    "tag_language": "tag's language",
    "no_loop": "no loop",
    "ended": "came to an end",
}
"""Measure → the head of its column; all are shares."""

_EXPLAINED = """\
*In the language* is judged by the detector sets of `model.detection`, the script, and every long paragraph, for
all forty languages. *LCB lines* and *LCB words* are the pass rates of the Language Confusion Benchmark
(arXiv 2406.20052) over its own fifteen languages: fastText's lid.176.ftz, score over 0.3, lines of five tokens and
more; it is strict, and good reference answers do not all pass it, which is why theirs stand beside. Over all
languages these two are the mean of the languages, as in the benchmark; all others are over all answers alike.
Intervals are 95 %, bootstrapped over chats; those of single languages stand in report.json. Shares are in per cent."""


def write_report(result: Result, folder: Path) -> list[Path]:
    """Write report.json, report.md, report.html and the plots into `folder`; returns their paths."""
    figures = {"languages.png": language_heat_map(result)}
    if result.held_out:
        figures["perplexity.png"] = perplexities(result)
    plots = [save_png(figure, folder / name) for name, figure in figures.items()]
    texts = {
        "report.json": json.dumps(result.as_dict(), ensure_ascii=False, indent=1) + "\n",
        "report.md": markdown(result),
        "report.html": _page(result, _pictures(result)),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [*(folder / name for name in texts), *plots]


def _pictures(result: Result) -> list[str]:
    wide, upright = partial(language_heat_map, result), partial(language_heat_map, result, upright=True)
    found = [picture(wide, "Each measure by language; the tables below say the same", upright=upright)]
    if result.held_out:
        found.append(
            picture(partial(perplexities, result), "Perplexity of the reference answers by language")
        )
    return found


def overview(result: Result) -> list[Table]:
    """The tables over all languages."""
    return [_overview(result), *([_losses(result)] if result.held_out else [])]


def tables(result: Result) -> list[Table]:
    """All tables of the report, those over all languages first."""
    return [*overview(result), *(_by_language(result, system) for system in _generated(result))]


def markdown(result: Result) -> str:
    """The report as text."""
    first, *others = tables(result)
    parts = ["# Evaluation", _about(result), f"## {first.title}", first.markdown(), _EXPLAINED]
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes))
    parts.append("![Each measure by language](languages.png)")
    if result.held_out:
        parts.append("![Perplexity of the reference answers by language](perplexity.png)")
    for table in others:
        parts += [f"## {table.title}", table.markdown()]
    return "\n\n".join(parts) + "\n"


def _about(result: Result) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in _said(result))


def _said(result: Result) -> list[tuple[str, str]]:
    """What was judged, each value as text."""
    return [
        (
            name,
            ", ".join(f"{key} {each}" for key, each in value.items())
            if isinstance(value, Mapping)
            else str(value),
        )
        for name, value in result.about.items()
    ]


def _overview(result: Result) -> Table:
    """A row a measure, a column a system: the names of the measures need the room."""
    found = [judgement.overall for judgement in result.judgements.values()]
    rows: list[list[Cell]] = [
        [said, *(_interval(getattr(overall, name)) for overall in found)] for name, said in COLUMNS.items()
    ]
    rows += [
        ["answers", *(str(_count(overall)) for overall in found)],
        ["words in an answer", *(_plain(overall.words, 1, "{:.0f}") for overall in found)],
        ["different pairs of words", *(_plain(overall.distinct_2, 100, "{:.1f}") for overall in found)],
    ]
    return Table("Over all languages", ["", *(TITLES[system] for system in result.judgements)], rows)


def _losses(result: Result) -> Table:
    wholes = {system: total(languages.values()) for system, languages in result.held_out.items()}
    peers = [peer for peer in ("base", AS_TUNED) if peer in wholes]
    rows = [
        [
            TITLES[system],
            f"{whole.loss:.3f}",
            f"{whole.perplexity:.1f}",
            f"{whole.bits_per_character:.2f}",
            *(
                f"{1 - whole.perplexity / wholes[peer].perplexity:.0%}"
                if system in {"tuned", "compared"}
                else ""
                for peer in peers
            ),
        ]
        for system, whole in wholes.items()
    ]
    heads = ["", "loss", "perplexity", "bits a character", *(f"below: {TITLES[peer]}" for peer in peers)]
    return Table("Held-out answers of the data", heads, rows)


def _by_language(result: Result, system: str) -> Table:
    rows: list[list[Cell]] = []
    for code, found in result.judgements[system].languages.items():
        cells = [_share(getattr(found, name)) for name in COLUMNS]
        loss = result.held_out.get(system, {}).get(code)
        perplexity = f"{loss.perplexity:.1f}" if loss else ""
        rows.append([code, LANGUAGES[code].english_name, _count(found), *cells, perplexity])
    heads = ["", "language", "answers", *COLUMNS.values(), "perplexity"]
    return Table(f"By language: {TITLES[system]}", heads, rows)


def _generated(result: Result) -> Sequence[str]:
    """The systems, the fine-tuned one first."""
    return sorted(result.judgements, key=lambda system: system != "tuned")


def _count(found: Figures) -> int:
    return found.in_language.answers if found.in_language else 0


def _interval(rate: Rate | None) -> str:
    if rate is None:
        return ""
    return f"{100 * rate.value:.1f} ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


def _share(rate: Rate | None) -> str:
    return _plain(rate, 100, "{:.0f}")


def _plain(rate: Rate | None, scale: float, form: str) -> str:
    return "" if rate is None else form.format(scale * rate.value)


def _page(result: Result, pictures: Sequence[str]) -> str:
    first, *others = tables(result)
    about = "".join(f"<li>{html.escape(f'{name}: {value}')}</li>" for name, value in _said(result))
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in result.notes)
    parts = [
        "<h1>Evaluation</h1>",
        f"<ul>{about}</ul>",
        first.html(),
        f"<p>{html.escape(_EXPLAINED.replace('*', '').replace('`', ''))}</p>",
        f"<ul>{notes}</ul>" if notes else "",
        *pictures,
        *(table.html() for table in others),
    ]
    return _PAGE.replace("<!-- body -->", "\n".join(parts))


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation</title>
<style>
:root { color-scheme: light dark; --ink: light-dark(#1f2933, #e4e7eb); --line: light-dark(#e4e7eb, #3e4c59); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: light-dark(#fff, #1e1f22);
       max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } img { max-width: 100%; height: auto; margin: 1rem 0; border-radius: 4px; }
table { border-collapse: collapse; margin: 1.5rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { text-align: left; padding: .2rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<!-- body -->
</body>
</html>
"""

"""The command line's side of a run: options in, questions to the person at the terminal, and the dry run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from model.languages import LANGUAGES, find_language
from training.generation.checking import check_chats, check_properties
from training.generation.errors import CannotGenerate
from training.generation.folder import RunFolder
from training.generation.forecast import Forecast, forecast
from training.generation.journal import Usage
from training.generation.outcome import Outcome
from training.generation.requests import ReplyForm
from training.generation.session import Job, Options, prepare, run_job
from training.generation.settings import GenerationSettings


def run_options(namespace: argparse.Namespace, console: Console | None = None) -> int:
    """Run what the options say; returns the exit status. Raises `TrainingError`."""
    console = console or Console()
    job = prepare(_options(namespace), GenerationSettings())
    if namespace.dry_run:
        return _dry_run(job, console)
    outcome = run_job(job, console, lambda changes: _on_changes(changes, namespace, console))
    if outcome is Outcome.COMPLETE and not namespace.no_checks:
        _check(job, console)
    console.print(f"{outcome.words.capitalize()}. Everything is in {job.options.out}.")
    return outcome.value


def _check(job: Job, console: Console) -> None:
    folder = job.options.out
    if job.wanted.chats:
        check_chats(folder, console)
    elif any((folder / "properties").glob("*.json")):
        check_properties(folder, console)


def _options(namespace: argparse.Namespace) -> Options:
    try:
        extra = json.loads(namespace.extra)
    except ValueError as error:
        raise CannotGenerate(f"--extra {namespace.extra}: {error}") from error
    if not isinstance(extra, dict):
        raise CannotGenerate(f"--extra {namespace.extra}: not a JSON object")
    if namespace.chats < 0 or namespace.concurrency < 1 or namespace.salvage < 0:
        raise CannotGenerate("--chats and --salvage cannot be negative, and --concurrency is at least 1")
    return Options(
        out=namespace.out,
        model=namespace.model,
        languages=_languages(namespace.languages),
        works=namespace.works,
        chats=namespace.chats,
        properties=namespace.properties,
        prompts=namespace.prompts,
        seed=namespace.seed,
        temperature=namespace.temperature,
        max_tokens=namespace.max_tokens,
        extra=extra,
        reply_form=ReplyForm(namespace.reply_form) if namespace.reply_form else None,
        wikipedia=not namespace.no_wikipedia,
        concurrency=namespace.concurrency,
        timeout=namespace.timeout,
        salvage=namespace.salvage,
        lenient=namespace.lenient,
        price_in=namespace.price_in,
        price_out=namespace.price_out,
        max_usd=namespace.max_usd,
    )


def _languages(text: str) -> list[str]:
    if text == "all":
        return list(LANGUAGES)
    found = {name: find_language(name) for name in text.replace(",", " ").split()}
    unknown = [name for name, language in found.items() if language is None]
    if unknown or not found:
        raise CannotGenerate(f"--languages {text}: {', '.join(unknown) or 'nothing'} is none of the forty")
    chosen = {language.code for language in found.values() if language is not None}
    return [code for code in LANGUAGES if code in chosen]


def _on_changes(changes: Sequence[str], namespace: argparse.Namespace, console: Console) -> str:
    console.print(f"{namespace.out} was begun with another configuration:")
    for change in changes:
        console.print(f"  {change}", highlight=False)
    if namespace.restart:
        return "restart"
    if namespace.continue_anyway:
        return "continue"
    if not sys.stdin.isatty():
        console.print(
            "Run it with --continue-anyway (what is paid for stays where the same is asked), with --restart "
            "(what is there is set aside), or with another --out."
        )
        return "stop"
    answers = {"c": "continue", "r": "restart", "": "stop", "q": "stop"}
    while True:
        answer = console.input("(c)ontinue with what is there, (r)estart and set it aside, or (q)uit? ")
        if (choice := answers.get(answer.strip().casefold()[:1])) is not None:
            return choice


def _dry_run(job: Job, console: Console) -> int:
    rows = forecast(job.prompts, job.wanted, job.prices, RunFolder(job.options.out).read_journals())
    console.print(_by_stage(rows, job))
    console.print(_by_language(rows, job))
    usage = _sum(rows)
    calls, done = sum(row.calls for row in rows), sum(row.done for row in rows)
    before = f" ({done} more are in the journal already)" if done else ""
    console.print(
        f"{calls} calls{before}, about {usage.tokens_in:,} tokens in and {usage.tokens_out:,} out: "
        f"{_usd(usage, job)}."
    )
    if job.prices is not None:
        prices = job.prices
        console.print(
            f"Prices: ${prices.per_million_in:g} in, ${prices.per_million_out:g} out per million, {prices.source}. "
            "Replies that have to be asked for again come on top, and so does what a model thinks."
        )
    return Outcome.COMPLETE.value


_FIGURES: tuple[Any, ...] = ("calls", "tokens in", "tokens out", "USD")


def _by_stage(rows: Sequence[Forecast], job: Job) -> Table:
    table = Table("stage", *_FIGURES, title="By stage", title_justify="left")
    for stage in dict.fromkeys(row.stage for row in rows):
        mine = [row for row in rows if row.stage is stage]
        table.add_row(stage.words, *_figures(mine, job))
    return table


def _by_language(rows: Sequence[Forecast], job: Job) -> Table:
    table = Table("language", *_FIGURES, title="By language", title_justify="left")
    for code in job.wanted.languages:
        mine = [row for row in rows if row.language == code]
        table.add_row(LANGUAGES[code].english_name, *_figures(mine, job))
    return table


def _figures(rows: Sequence[Forecast], job: Job) -> list[str]:
    usage = _sum(rows)
    return [
        str(sum(row.calls for row in rows)),
        f"{usage.tokens_in:,}",
        f"{usage.tokens_out:,}",
        _usd(usage, job).removeprefix("$"),
    ]


def _sum(rows: Sequence[Forecast]) -> Usage:
    return sum((row.usage for row in rows), Usage())


def _usd(usage: Usage, job: Job) -> str:
    return "price unknown" if job.prices is None else f"${usage.usd:.4f}"

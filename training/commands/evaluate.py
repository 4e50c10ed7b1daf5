"""`python -m training evaluate`: judge a model beside its base, language by language."""

from __future__ import annotations

import argparse
from pathlib import Path

_SYSTEMS = ("bare", "base", "tuned")
_NUMBERS = (
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "max_tokens",
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        help="judge a model beside its base: language, look-up tags, loops, held-out loss",
        description="Samples answers to the chats of a split from a worker and judges them; the held-out loss is "
        "worked out from the model itself. What was answered is kept: the same command goes on after a kill.",
    )
    parser.add_argument(
        "--preset",
        default="embedded",
        metavar="NAME_OR_YAML",
        help="whose base is judged (default: %(default)s)",
    )
    parser.add_argument(
        "--adapter",
        type=Path,
        metavar="FOLDER",
        help="the adapter (default: the preset's own, where it is there)",
    )
    parser.add_argument(
        "--compare", type=Path, metavar="FOLDER", help="another adapter, to be judged beside the first"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="a folder with splits/<name>.jsonl (default: the shipped data)",
    )
    parser.add_argument("--split", default="test", metavar="NAME", help="which split (default: %(default)s)")
    parser.add_argument("--languages", metavar="CODES", help="codes, by commas (default: all forty)")
    parser.add_argument(
        "--samples", type=int, default=6, metavar="N", help="answers to every question (default: %(default)s)"
    )
    parser.add_argument(
        "--base-samples", type=int, metavar="N",
        help="answers of the base to every question, with and without the system prompt (default: as --samples)",
    )  # fmt: skip
    parser.add_argument(
        "--systems", nargs="+", choices=_SYSTEMS, default=list(_SYSTEMS), metavar="SYSTEM",
        help="any of bare (the base), base (the base with the system prompt), tuned (the adapter) (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("runs/evaluation"), metavar="FOLDER",
        help="where the report goes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="forget the answers that are there")
    parser.add_argument("--no-loss", action="store_true", help="judge the answers alone")
    worker = parser.add_argument_group("the worker (default: one is started for the time of the evaluation)")
    worker.add_argument("--url", metavar="URL", help="of one that runs already, as http://host:8000/v1")
    worker.add_argument("--token", metavar="TOKEN", help="its token (default: WORKER_TOKEN)")
    worker.add_argument("--model", metavar="NAME", help="by which it knows the adapter that is judged")
    worker.add_argument(
        "--concurrency", type=int, default=32, metavar="N", help="requests at once (default: %(default)s)"
    )
    sampling = parser.add_argument_group("sampling (default: as the worker does it)")
    for name in _NUMBERS:
        kind = int if name in {"top_k", "max_tokens", "dry_allowed_length"} else float
        sampling.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            dest=name,
            metavar="N",
            help=f"the field {name} of each request",
        )
    sampling.add_argument(
        "--penalize-nl",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the penalties count line breaks, the field penalize_nl of each request",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluate, show, write the report."""
    import os

    from rich.console import Console

    from model.languages import LANGUAGES
    from model.settings import WorkerSettings
    from training.chats import DATA, read_chats
    from training.evaluation.errors import EvaluationError
    from training.evaluation.report import overview, write_report
    from training.evaluation.run import Options, evaluate

    if min(options.samples, 1 if options.base_samples is None else options.base_samples) < 1:
        raise EvaluationError("--samples and --base-samples must be 1 or more")
    languages = tuple(options.languages.split(",")) if options.languages else None
    if unknown := sorted(set(languages or ()) - LANGUAGES.keys()):
        raise EvaluationError(f"--languages: {', '.join(unknown)} is none of the forty")
    if options.restart:
        (options.output / "answers.jsonl").unlink(missing_ok=True)
    chats = read_chats((options.data or DATA) / "splits" / f"{options.split}.jsonl")
    settings = WorkerSettings()
    systems = (*options.systems, *(("compared",) if options.compare else ()))
    given = {name: getattr(options, name) for name in (*_NUMBERS, "penalize_nl")}
    parameters = {name: value for name, value in given.items() if value is not None}
    result = evaluate(
        chats,
        Options(
            preset=options.preset,
            adapter=options.adapter,
            output=options.output,
            samples=options.samples,
            base_samples=options.base_samples,
            systems=systems,
            languages=languages,
            parameters=parameters,
            url=options.url,
            token=options.token or os.environ.get("WORKER_TOKEN"),
            model=options.model,
            concurrency=options.concurrency,
            loss=not options.no_loss,
            compared=options.compare,
            split=options.split,
            embedded_source=settings.embedded_model_path,
            cache=settings.fanfabler_cache,
        ),
    )
    console = Console()
    for table in overview(result):
        console.print(table.rich())
    for path in write_report(result, options.output):
        console.print(f"wrote {path}", markup=False)
    return 0

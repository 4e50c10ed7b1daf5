"""`python -m training publish`: an adapter onto Hugging Face's hub, or what would go there."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_runs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "publish",
        help="upload an adapter with its card, licence and evaluation to Hugging Face's hub",
        description="Uploads an adapter to Hugging Face's hub, as whoever HF_TOKEN or `hf auth login` says. "
        "--dry-run shows everything and uploads nothing.",
    )
    parser.add_argument("source", metavar="RUN", help="a run's name, or the folder of an adapter")
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="where it goes")
    parser.add_argument(
        "--evaluation",
        type=Path,
        metavar="FOLDER",
        help="the report of `python -m training evaluate` to go along (default: one beside the adapter)",
    )
    parser.add_argument("--private", action="store_true", help="a repository that others do not see")
    parser.add_argument("--dry-run", action="store_true", help="show files, card and licence; upload nothing")
    add_runs(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show what goes up, and upload it unless told not to."""
    import tempfile

    from rich.console import Console

    from training.finetuning.publish import prepare, publish, to_hub
    from training.finetuning.source import find_adapter

    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="fanfabler-publish-") as scratch:
        source = find_adapter(options.source, options.runs)
        publication = prepare(source, options.repo, Path(scratch) / "adapter", evaluation=options.evaluation)
        for name, size in publication.files:
            console.print(f"{size:>12,}  {name}", markup=False)
        licence = publication.licence
        console.print(f"licence: {licence.title} {licence.link}".rstrip(), markup=False)
        if not publication.evaluated:
            console.print("no evaluation goes along: python -m training evaluate makes one", markup=False)
        if options.dry_run:
            if publication.lacking:
                console.print(publication.lacking, markup=False)
            console.print(f"\n{publication.card}", markup=False)
            console.print((publication.folder / "NOTICE").read_text(encoding="utf-8"), markup=False)
            console.print(f"nothing was uploaded to {options.repo}", markup=False)
            return 0
        console.print(publish(publication, to_hub(private=options.private)), markup=False)
    return 0

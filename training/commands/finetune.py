"""`python -m training finetune`: train an adapter by a recipe; the same command goes on after a kill."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_runs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "finetune",
        help="train an adapter by a recipe; goes on where a killed run was",
        description="Trains a LoRA adapter. A run lies in runs/NAME; the same command goes on from its last "
        "checkpoint. Ctrl-C ends it after the step, with a checkpoint. Several processes: "
        "accelerate launch --num_processes N -m training finetune …",
    )
    parser.add_argument(
        "--recipe", required=True, metavar="NAME_OR_YAML",
        help="one of training/recipes/ (article, embedded, llama3-8b, llama3.1-8b, llama3-tiny, tiny), or a file",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="put another value into the recipe, as --set lora.rank=16; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="a dataset with splits/ (default: the shipped one)"
    )
    parser.add_argument("--languages", metavar="CODES", help="train on these alone, as de,sv,ko")
    parser.add_argument("--limit", type=int, metavar="N", help="train on the first N chats alone")
    parser.add_argument(
        "--method", choices=("sft", "kto"), default="sft",
        help="kto: a second stage, on answers that members rated (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rated", type=Path, metavar="FILE", help='for kto: JSONL of chats, each with "rating": 1 or -1'
    )
    parser.add_argument(
        "--adapter",
        type=Path,
        metavar="FOLDER",
        help="the adapter to begin with, in place of fresh layers; kto needs one",
    )
    parser.add_argument("--name", metavar="NAME", help="of the run (default: the recipe's)")
    add_runs(parser)
    parser.add_argument(
        "--restart", action="store_true", help="set aside what is there of this run, and begin anew"
    )
    parser.add_argument(
        "--backend", choices=("auto", "transformers", "unsloth"), default="auto",
        help="auto: unsloth where it is installed and a GPU is there, but not with --adapter (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of torch on a CPU (default: its choice)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train."""
    from model.settings import WorkerSettings
    from training.finetuning.finetune import finetune
    from training.finetuning.options import Options
    from training.finetuning.recipe import load_recipe

    recipe = load_recipe(options.recipe, options.overrides)
    settings = WorkerSettings()
    finetune(
        recipe,
        Options(
            data=options.data,
            languages=frozenset(options.languages.split(",")) if options.languages else None,
            limit=options.limit,
            method=options.method,
            rated=options.rated,
            adapter=options.adapter,
            runs=options.runs,
            name=options.name,
            restart=options.restart,
            backend=options.backend,
            threads=options.threads,
            embedded_source=settings.embedded_model_path,
            cache=settings.fanfabler_cache,
        ),
    )
    return 0

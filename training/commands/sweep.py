"""`python -m training sweep`: one recipe with several values, and which of them serve it best."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_runs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "sweep",
        help="train one recipe with several values, and rank them by held-out loss",
        description="Trains every combination of the values of --try, and each --trial, as a run of its own, and ranks "
        "them by held-out loss. The same command goes on after a kill. The test split is never looked at.",
        epilog="example: python -m training sweep --recipe embedded --try lora.rank=16,32 "
        "--try learning_rate=2e-4,4e-4 --parallel 4",
    )
    parser.add_argument("--recipe", required=True, metavar="NAME_OR_YAML", help="as for finetune")
    parser.add_argument(
        "--try", action="append", default=[], metavar="KEY=A,B,…", dest="grid",
        help="values to try; with several of these, every combination; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--trial", action="append", default=[], metavar="'KEY=A KEY=B'", dest="singles",
        help="one more run, with these values; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="put another value into the recipe for all runs; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--parallel", type=int, default=1, metavar="N",
        help="runs at a time, which share the machine (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="a dataset with splits/ (default: the shipped one)"
    )
    parser.add_argument("--languages", metavar="CODES", help="train on these alone, as de,sv,ko")
    parser.add_argument("--limit", type=int, metavar="N", help="train on the first N chats alone")
    parser.add_argument(
        "--backend",
        choices=("auto", "transformers", "unsloth"),
        default="auto",
        help="as for finetune (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of each run, on a CPU (default: torch's choice)",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="what the runs' names begin with (default: the recipe's name)"
    )
    add_runs(parser)
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="also draw the held-out losses into one plot"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sweep, and show the ranking."""
    import asyncio

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from training.finetuning.comparison import loss_curves
    from training.finetuning.errors import RecipeError
    from training.finetuning.recipe import load_recipe
    from training.finetuning.sweep import Trial, check, ranking, sweep, tables, trials
    from training.plots import save_png

    if options.parallel < 1:
        raise RecipeError("--parallel must be 1 or more")
    recipe = load_recipe(options.recipe, options.overrides)
    planned = trials(options.name or recipe.name, options.grid, options.singles)
    check(options.recipe, options.overrides, planned)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("runs", total=len(planned))

        def tell(event: str, trial: Trial) -> None:
            progress.print(f"{event:<6} {trial.name}", markup=False)
            progress.advance(bar, 0 if event == "begun" else 1)

        failed = asyncio.run(
            sweep(planned, _command(options), options.runs, parallel=options.parallel, tell=tell)
        )
    for failure in failed:
        console.print(f"{failure.trial.name} failed:\n{failure.said}\n", markup=False, soft_wrap=True)
    broken = {failure.trial for failure in failed}
    ranked = ranking([trial for trial in planned if trial not in broken], options.runs)
    out = Console()
    for table in tables(ranked) if ranked else ():
        out.print(table.rich())
    if options.plot and ranked:
        out.print(f"wrote {save_png(loss_curves(ranked), options.plot)}", markup=False)
    return 1 if failed else 0


def _command(options: argparse.Namespace) -> list[str]:
    """What every run is asked for."""
    command = ["--recipe", options.recipe, "--backend", options.backend]
    command += [part for override in options.overrides for part in ("--set", override)]
    for name in ("data", "languages", "limit", "threads"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    return command

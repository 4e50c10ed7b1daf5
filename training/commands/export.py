"""`python -m training export`: an adapter in the form that others run, checked by its held-out loss."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_runs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "export",
        help="write an adapter by itself, merged into its base, or as a GGUF file",
        description="Writes a trained adapter in another form. What is written is loaded again and must give "
        "the adapter's held-out loss before it is kept. "
        "GGUF files need llama.cpp's converter.",
    )
    parser.add_argument("source", metavar="RUN", help="a run's name, or the folder of an adapter")
    parser.add_argument(
        "--to", choices=("adapter", "merged", "gguf"), required=True, dest="form",
        help="a folder for PEFT; a whole model in bf16; one file for llama.cpp and Ollama, "
        "with what goes along with it as FILE.NOTICE and the like",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="where it goes; must not exist"
    )
    add_runs(parser)
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="a dataset with splits/ (default: the shipped one)"
    )
    parser.add_argument(
        "--rows", type=int, default=40, metavar="N",
        help="validation chats for the comparison, 0 for all (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=float, metavar="NATS",
        help="how far the losses may be apart (default: 0.001 for an adapter, 0.02 merged, 0.05 as GGUF)",
    )  # fmt: skip
    parser.add_argument(
        "--llama-cpp",
        type=Path,
        metavar="FOLDER",
        help="a checkout of llama.cpp (default: $LLAMA_CPP, or the path)",
    )
    parser.add_argument(
        "--outtype",
        default="bf16",
        metavar="TYPE",
        help="the GGUF's type, in its converter's terms (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, and say both losses."""
    from rich.console import Console

    from model.settings import WorkerSettings
    from training.finetuning.export import Options, export
    from training.finetuning.source import find_adapter

    settings = WorkerSettings()
    console = Console(stderr=True)
    with console.status("writing and checking …"):
        done = export(
            find_adapter(options.source, options.runs),
            options.form,
            Options(
                out=options.out,
                data=options.data,
                rows=options.rows or None,
                tolerance=options.tolerance,
                llama_cpp=options.llama_cpp,
                outtype=options.outtype,
                embedded_source=settings.embedded_model_path,
                cache=settings.fanfabler_cache,
            ),
        )
    console.print(
        f"{done.path}: held-out loss {done.after:.4f}, the adapter's {done.before:.4f}",
        soft_wrap=True,
        highlight=False,
    )
    return 0

"""How fast the worker is, beside the article's way and `transformers serve`, all on one model in one run.

    python -m tests.benchmarks.worker --require --json worker.json

The ways take turns in rounds, and ratios are taken within a round, since no machine is quiet for long. The servers
are processes of their own, asked by real HTTP. Nothing else should run on the machine. With --gpu-shape it is the
shape of a large model that is measured, with random weights, see tests/benchmarks/gpu_shape.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from model.machine import wait_briefly
from tests.benchmarks import gpu_shape, report, ways
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.figures import exit_status
from tests.benchmarks.machine import Machine


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.worker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("--preset", default="embedded", help="a packaged preset or a YAML file (default: %(default)s)")
    add("--streams", type=int, nargs="+", metavar="N", help="requests at once (default: 1 4 8 16 32)")
    add("--tokens", type=int, help="of each answer (default: 32)")
    add("--prompt-tokens", type=int, help="of each prompt (default: 64)")
    add("--rounds", type=int, default=3, help="turns of every way (default: %(default)s)")
    add("--minutes", type=float, default=60.0, help="begin no further round that would end later")
    add("--greedy", action="store_true", help="always the likeliest token, in place of the preset's sampling")
    add("--without", nargs="+", default=[], choices=ways.NAMES, help="ways to leave out")
    add("--serve-sizes", choices=["ours", "own"], default="ours", help="KV cache of `transformers serve`")
    add(
        "--prefix-preset",
        default="llama3-tiny",
        help="what prefix sharing is shown on (default: %(default)s)",
    )
    add(
        "--prefix-tokens",
        type=int,
        default=1000,
        help="of the prefix; 0 leaves it out (default: %(default)s)",
    )
    add("--prefix-pairs", type=int, default=8, help="of a shared and a new prefix (default: %(default)s)")
    add("--random-weights", action="store_true", help="weights of the preset's shape, made here")
    add("--gpu-shape", metavar="PRESET", help="measure this shape with random weights, in place of all else")
    add(
        "--weights",
        nargs="+",
        default=list(gpu_shape.WEIGHTS),
        choices=gpu_shape.WEIGHTS,
        help="of that shape",
    )
    add(
        "--attention",
        choices=["by-request", "transformers"],
        help="of that shape's engine (default: the preset's)",
    )
    add("--json", type=Path, metavar="FILE", help="write everything measured into this file")
    add("--require", action="store_true", help="exit with 1 where a target is missed or was not measured")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, judge, and return the exit status."""
    options = parser().parse_args(arguments)
    # For every way alike: the processes started here have it from this one's environment.
    wait_briefly()
    if options.gpu_shape:
        return _measure_shape(options)
    options.streams = sorted(set(options.streams or (1, 4, 8, 16, 32)))
    options.tokens, options.prompt_tokens = options.tokens or 32, options.prompt_tokens or 64
    comparison = Comparison(options)
    machine = Machine.now()
    asyncio.run(comparison.run())
    machine.end()
    judged = report.verdicts(comparison.figures, comparison.loop_shares, comparison.sharing)
    print(report.text(machine, comparison, judged))  # noqa: T201
    _write(options.json, report.document(machine, comparison, judged))
    return exit_status(judged, require=options.require)


def _measure_shape(options: argparse.Namespace) -> int:
    """Print the document, and the table among what is said on the way."""
    options.streams = sorted(set(options.streams or (1, 8, 32, 64)))
    options.tokens, options.prompt_tokens = options.tokens or 256, options.prompt_tokens or 512
    machine = Machine.now()
    measured = gpu_shape.measure(options)
    machine.end()
    asked = {
        name: getattr(options, name) for name in ("gpu_shape", "streams", "tokens", "prompt_tokens", "greedy")
    }
    document = {"machine": machine.summary(), "options": asked, **measured}
    print(gpu_shape.text(document), file=sys.stderr)  # noqa: T201
    print(json.dumps(document, indent=1))  # noqa: T201
    _write(options.json, document)
    return 0


def _write(path: Path | None, document: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

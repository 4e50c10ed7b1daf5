"""`python -m tests.reliability`: see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tests.reliability
from tests.benchmarks.figures import exit_status
from tests.reliability import claims, faults, kills, load, training
from tests.reliability.kills import Cell
from tests.reliability.world import DATABASES, open_world

_ATTEMPTS_A_WORLD = 40
"""After so many a new world is begun, so that its database stays one of a small server."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m tests.reliability",
        description=tests.reliability.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = options.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="SIGKILL at random moments of every phase")
    kills.add_argument("--count", type=int, default=20, help="kills (default: %(default)s)")
    trained = commands.add_parser("training", help="SIGKILL at random moments of a training run")
    trained.add_argument("--count", type=int, default=12, help="kills (default: %(default)s)")
    faults = commands.add_parser("faults", help="a database, a worker and a Discord in trouble")
    faults.add_argument("--rounds", type=int, default=1, help="times that each comes (default: %(default)s)")
    loaded = commands.add_parser("load", help="a thousand threads, two hundred members, one bot process")
    usual = load.Load()
    loaded.add_argument(
        "--minutes", type=float, default=usual.minutes, help="of writing (default: %(default)s)"
    )
    loaded.add_argument(
        "--warm-up", type=float, default=usual.warm_up, help="seconds before (default: %(default)s)"
    )
    loaded.add_argument(
        "--members",
        type=int,
        default=usual.members,
        help="who write, in five threads each (default: %(default)s)",
    )
    loaded.add_argument("--slots", type=int, default=usual.slots, help="of the worker (default: %(default)s)")
    loaded.add_argument(
        "--tokens", type=int, default=usual.tokens, help="of each answer (default: %(default)s)"
    )
    faults.add_argument(
        "--only", metavar="WORDS", default="", help="troubles with these words in their names"
    )
    sharing = commands.add_parser(
        "claims", help="several processes share one queue, and none takes what another has"
    )
    sharing.add_argument("--jobs", type=int, default=10_000, help="default: %(default)s")
    sharing.add_argument("--processes", type=int, default=4, help="default: %(default)s")
    sharing.add_argument("--database", choices=DATABASES, default="sqlite", help="default: %(default)s")
    sharing.add_argument("--json", type=Path, metavar="FILE", help="write the result here as well")
    for command in (kills, faults, trained):
        command.add_argument("--worlds", type=int, default=1, help="at a time (default: %(default)s)")
        command.add_argument("--database", choices=DATABASES, default="sqlite", help="default: %(default)s")
    for command in (kills, faults, trained, loaded):
        command.add_argument("--seed", type=int, help="of the moments (default: a new one)")
        command.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
        command.add_argument(
            "--keep", type=Path, metavar="FOLDER", help="for databases and logs (default: none)"
        )
    return options


Attempt = Callable[[Any], Awaitable[list[str]]]
"""Troubles a world, or what else `Run.opens` opens, once, and says what was wrong afterwards."""


def plan(options: argparse.Namespace) -> tuple[dict[str, Cell], list[tuple[str, Attempt]]]:
    """The empty matrix, and the attempts in their order, each with the name of its cell."""
    if options.command == "faults":
        chosen = [name for name in faults.troubles(options.database) if options.only in name]
        tries = [(name, partial(faults.trouble_once, name=name)) for name in chosen]
        cells = faults.cells(options.database)
        return {name: cells[name] for name in chosen}, tries * options.rounds
    if options.command == "training":
        return training.cells(), training.attempts(options.count)
    order = [(phase, victims) for phase in kills.PHASES for victims in kills.VICTIMS]
    attempts = [
        (kills.name_of(phase, victims), partial(kills.kill_once, phase=phase, victims=victims))
        for phase, victims in order
    ]
    return kills.cells(), [attempts[n % len(attempts)] for n in range(options.count)]


@dataclass
class Run:
    """The attempts still to be made, and what came of those that were. Several worlds can share one."""

    matrix: dict[str, Cell]
    attempts: deque[tuple[str, Attempt]]
    seed: int
    folder: Path
    database: str = "sqlite"
    opens: Callable[..., AbstractAsyncContextManager[Any]] = open_world
    """What opens a world, from its folder, its seed and its `database`."""
    began: float = field(default_factory=time.monotonic)
    worlds: Iterator[int] = field(default_factory=itertools.count)
    done: int = 0

    async def go(self) -> None:
        """Make attempts until none is left."""
        while self.attempts:
            number = next(self.worlds)
            folder = self.folder / f"world-{number}"
            async with self.opens(folder, self.seed + number, database=self.database) as world:
                for _ in range(_ATTEMPTS_A_WORLD):
                    if not self.attempts or await self._attempt(world):
                        break  # what is wrong would be found again after each further one

    async def _attempt(self, world: Any) -> list[str]:
        name, attempt = self.attempts.popleft()
        found = await attempt(world)
        self.matrix[name].tried += 1
        self.matrix[name].problems += found
        self.done += 1
        pace = (time.monotonic() - self.began) / self.done
        left = len(self.attempts)
        _say(f"{self.done}, {left} left, {pace:.1f} s each: {name}: {'; '.join(found) or 'well'}")
        return found


async def run(attempts: Run, worlds: int) -> None:
    """In so many worlds at a time."""
    async with asyncio.TaskGroup() as group:
        for _ in range(worlds):
            group.create_task(attempts.go())


def table(matrix: dict[str, Cell]) -> str:
    """As it stands in docs/reliability.md."""
    rows = [f"| {cell.name} | {cell.tried} | {len(cell.problems)} |" for cell in matrix.values()]
    times, wrong = (
        sum(counts) for counts in zip(*((c.tried, len(c.problems)) for c in matrix.values()), strict=True)
    )
    total = f"| **all** | **{times}** | **{wrong}** |"
    return "\n".join(["| trouble | times | problems |", "| --- | ---: | ---: |", *rows, total])


def run_load(options: argparse.Namespace, seed: int) -> int:
    """Measure, print, and return 1 where a target was missed."""
    shape = load.Load(
        members=options.members,
        slots=options.slots,
        tokens=options.tokens,
        warm_up=options.warm_up,
        minutes=options.minutes,
    )
    with tempfile.TemporaryDirectory() as scratch:
        report = asyncio.run(load.load(shape, options.keep or Path(scratch), seed))
    print(report.text())
    if options.json:
        document = {"seed": seed, **report.document()}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return exit_status(report.verdicts, require=True)


def run_claims(options: argparse.Namespace) -> int:
    """Share a queue, print how that went, and return 1 where anything was wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        report = asyncio.run(
            claims.share(
                Path(scratch), jobs=options.jobs, processes=options.processes, database=options.database
            )
        )
    print(
        f"{report.jobs} jobs in {report.seconds:.1f} s, {report.rate:.0f} a second: {report.each} a process"
    )
    print(f"{report.met} times two of them chose the same thread; {len(report.problems)} problems")
    print("\n".join(report.problems))
    if options.json:
        options.json.write_text(json.dumps(report.document(), indent=1) + "\n", encoding="utf-8")
    return 1 if report.problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Run, print the table, and return 1 where anything was wrong."""
    options = parser().parse_args(arguments)
    if options.command == "claims":
        return run_claims(options)
    seed = options.seed if options.seed is not None else int(time.time())
    _say(f"seed {seed}")
    if options.command == "load":
        return run_load(options, seed)
    matrix, attempts = plan(options)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        opens = training.open_workshop if options.command == "training" else open_world
        made = Run(matrix, deque(attempts), seed, folder, options.database, opens)
        asyncio.run(run(made, options.worlds))
    print(table(matrix))
    for line, times in Counter(line for cell in matrix.values() for line in cell.problems).most_common():
        print(f"{times} × {line}")
    if options.json:
        document = {cell.name: {"times": cell.tried, "problems": cell.problems} for cell in matrix.values()}
        options.json.write_text(
            json.dumps({"seed": seed, "cells": document}, indent=1) + "\n", encoding="utf-8"
        )
    return 1 if any(cell.problems for cell in matrix.values()) else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""How the bot shows a hundred answers at once: real `python -m bot run`, over HTTP and WebSockets.

    python -m tests.benchmarks.discord --require --json discord.json

Members of a hundred threads write within ten seconds, and each answer is streamed at 30 tokens a second, so that for a
while all are being written. The Discord of the tests has Discord's limits; nothing else should run on the machine.
Beside it stands what llmcord's rule (one edit timer for the whole bot) would have shown of the same tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.discord.play import Load, play
from tests.benchmarks.discord.report import document, judge, text
from tests.benchmarks.figures import exit_status


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.discord",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add("--threads", type=int, default=100, help="written in at once (default: %(default)s)")
    add("--tokens", type=int, default=600, help="of each answer (default: %(default)s)")
    add("--rate", type=float, default=30.0, help="tokens a second of each answer (default: %(default)s)")
    add("--ramp", type=float, default=10.0, help="seconds within which all write (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write everything measured into this file")
    add("--require", action="store_true", help="exit with 1 where a target is missed")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, judge, and return the exit status."""
    options = parser().parse_args(arguments)
    load = Load(options.threads, options.tokens, options.rate, options.ramp)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(play(load, Path(folder)))
    found = judge(load, run)
    print(text(load, found, before))
    if options.json:
        options.json.write_text(json.dumps(document(load, found, before), indent=1) + "\n", encoding="utf-8")
    return exit_status(found.verdicts, require=options.require)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m model`, with the CPU time of its threads on request: `python -m tests.benchmarks.timed_worker serve …`.

Each line on standard input is answered by one on standard output: a JSON object with the seconds that the event
loop's thread and the engines' threads have computed so far.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from model.__main__ import main

_ENGINE = "_run_generation_loop"
"""In the name that Python gives to a thread of transformers' continuous batching."""


def clocks() -> dict[str, float]:
    """Seconds of CPU time by kind of thread; the event loop runs in the main one."""
    seconds = {"loop": 0.0, "engine": 0.0}
    for thread in threading.enumerate():
        kind = "loop" if thread is threading.main_thread() else "engine" if _ENGINE in thread.name else None
        if kind is not None and thread.ident is not None:
            seconds[kind] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return seconds


def _answer() -> None:
    for _ in sys.stdin:
        print(json.dumps(clocks()), flush=True)  # noqa: T201


if __name__ == "__main__":
    threading.Thread(target=_answer, name="clocks", daemon=True).start()
    sys.exit(main(sys.argv[1:]))

"""The command, run in the process against a stub of a model's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.training.generation.stub import Running, Stub, running
from training.__main__ import main

Serve = Callable[[Stub], Running]
Command = Callable[..., int]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """`serve(Stub(…))`: a stub that listens until the test ends, and the settings that lead to it."""
    with ExitStack() as stack:

        def start(stub: Stub) -> Running:
            server = stack.enter_context(running(stub))
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            return server

        yield start


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`generate("--languages", "fi", …)`: run the command into `tmp_path/out`; gives the exit status.

    Without the checks, unless `checks=True`.
    """
    monkeypatch.chdir(tmp_path)

    def run(*options: str, checks: bool = False) -> int:
        options = (*options, *([] if checks else ["--no-checks"]))
        return main(["generate", "--model", "stub", "--out", str(tmp_path / "out"), *options])

    return run

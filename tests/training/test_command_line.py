"""The command line: help at once, and errors in one sentence."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from training.__main__ import COMMANDS, main

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "numpy",
    "matplotlib",
    "pyarrow",
    "pydantic",
    "rich",
    "aiohttp",
    "openai",
)


@pytest.mark.parametrize("arguments", [["--help"], *([name.strip("_"), "--help"] for name in COMMANDS)])
def test_help_answers_at_once_and_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom training.__main__ import main\ntry:\n    main(sys.argv[1:])\n"
        f"finally:\n    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    started = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert ended.stdout.startswith("usage: ")
    assert ended.stderr.strip() == "[]"
    # A tenth of a second on a free machine; a test machine is seldom free.
    assert time.perf_counter() - started < 5


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["conjure"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_an_error_is_one_sentence_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "/nowhere"]) == 2
    assert capsys.readouterr().err == "error: /nowhere has no *.jsonl\n"

"""Listing and comparing runs from their files alone."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.finetuning.conftest import quick
from training.__main__ import main
from training.finetuning.comparison import differences, find_runs, list_runs, loss_curves, overview
from training.finetuning.errors import NoSuchRun
from training.finetuning.metrics import EventLog
from training.finetuning.run_folder import Asked, RunFolder


def begin(runs: Path, name: str, *overrides: str) -> EventLog:
    """A run that has done two of ten steps."""
    folder = RunFolder(runs / name)
    folder.path.mkdir(parents=True)
    folder.adopt(
        Asked(
            method="sft", recipe=quick(*overrides), data="d", base="b", backend="transformers", processes=1
        ),
        restart=False,
    )
    log = EventLog(folder.metrics)
    log.write("begun", steps=10)
    for step in (1, 2):
        log.write(
            "step",
            step=step,
            epoch=step / 5,
            loss=3.0 / step,
            tokens_per_second=100.0 * step,
            mfu=0.2 * step,
            peak_memory=2**30,
        )
    log.write("evaluation", step=2, loss=2.5)
    return log


def test_the_list_says_how_far_each_run_is_and_what_came_of_it(trained: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "whole")
    begin(tmp_path, "going")
    begin(tmp_path, "halted").write("stopped", step=2)
    (tmp_path / "notes").mkdir()
    going, halted, whole = list_runs(tmp_path)
    assert (going.state, halted.state, whole.state) == ("step 2 of 10", "step 2 of 10, stopped", "complete")
    assert (going.best_loss, going.tokens_per_second, going.peak_memory) == (2.5, 150, 1)
    assert going.mfu == pytest.approx(30)
    assert whole.best_loss == pytest.approx(trained.read_manifest()["held_out"]["loss"], abs=1e-4)
    assert [row[0] for row in overview([going, halted, whole]).rows] == ["going", "halted", "whole"]


def test_the_list_fits_on_a_hundred_columns(tmp_path: Path) -> None:
    begin(tmp_path, "llama3.1-8b-second").write("stopped", step=2)
    console = Console(file=io.StringIO(), width=100)
    console.print(overview(list_runs(tmp_path)).rich())
    (row,) = (line for line in console.file.getvalue().splitlines() if "llama3.1" in line)  # type: ignore[attr-defined]
    assert row.split() == [
        *("llama3.1-8b-second", "tiny", "step", "2", "of", "10,", "stopped"),
        *("2.5000", "150", "30.0", "1.0", "0", "s"),
    ]


def test_compared_are_the_fields_in_which_runs_differ(tmp_path: Path) -> None:
    begin(tmp_path, "one")
    begin(tmp_path, "two", "lora.rank=4", "learning_rate=0.5")
    table = differences(find_runs(tmp_path, ["one", "two"]))
    assert list(table.rows) == [("learning_rate", "0.03", "0.5"), ("lora.rank", "8", "4")]


def test_the_command_lists_compares_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, "one")
    begin(tmp_path, "two", "lora.rank=4")
    plot = tmp_path / "losses.png"
    assert main(["runs", "one", "two", "--runs", str(tmp_path), "--plot", str(plot)]) == 0
    said = capsys.readouterr().out
    assert "step 2 of 10" in said
    assert "lora.rank" in said
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_no_runs_and_unknown_ones_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--runs", str(tmp_path)]) == 0
    assert "has no runs" in " ".join(capsys.readouterr().out.split())  # the terminal breaks it anywhere
    with pytest.raises(NoSuchRun, match="'ghost'"):
        find_runs(tmp_path, ["ghost"])


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, "one")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text('{"method": "sft"}')
    assert main(["runs", "--runs", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "step 2 of 10" in said
    assert "cannot be read: recipe: Field required" in said
    assert [run.name for run in find_runs(tmp_path, ["one"])] == ["one"]


def test_held_out_losses_are_drawn_at_their_epochs_however_often_steps_are_noted(tmp_path: Path) -> None:
    begin(tmp_path, "one").write(
        "evaluation", step=5, loss=2.0
    )  # of ten in two epochs, and not noted as a step
    (axes,) = loss_curves(find_runs(tmp_path, ["one"])).axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[0.4, 1.0]]


def test_time_between_two_processes_of_a_run_does_not_count(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "metrics.jsonl")
    log.path.write_text(
        '{"event": "begun", "time": 100}\n{"event": "step", "step": 1, "time": 110}\n'
        '{"event": "resumed", "step": 1, "time": 500}\n{"event": "step", "step": 2, "time": 507}\n{"event": "st'
    )
    from training.finetuning.metrics import seconds_of

    assert sum(seconds_of(log.read())) == 17

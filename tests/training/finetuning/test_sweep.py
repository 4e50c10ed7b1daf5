"""A sweep: every combination is a run, the same command goes on, and the best stands first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.finetuning.conftest import QUICK
from training.__main__ import main
from training.finetuning.errors import RecipeError
from training.finetuning.sweep import ranking, trials


def test_every_combination_and_every_single_trial_is_a_run_of_its_own() -> None:
    planned = trials(
        "t",
        ["lora.rank=4,8", "learning_rate=1e-3,2e-3"],
        ["epochs=2 lora.rank=4", "lora.rank=4 learning_rate=1e-3"],
    )
    assert [trial.name for trial in planned] == [
        "t-rank4-learning_rate1e-3",
        "t-rank4-learning_rate2e-3",
        "t-rank8-learning_rate1e-3",
        "t-rank8-learning_rate2e-3",
        "t-epochs2-rank4",
    ]


@pytest.mark.parametrize("grid", [[], ["lora.rank"], ["lora.rank="], ["=4"]])
def test_nothing_to_try_is_said(grid: list[str]) -> None:
    with pytest.raises(RecipeError):
        trials("t", grid, [])


def sweep(runs: Path, data: Path, *arguments: str) -> int:
    common = [part for each in (*QUICK, "epochs=1") for part in ("--set", each)]
    where = ["--runs", str(runs), "--data", str(data), "--threads", "1"]
    return main(["sweep", "--recipe", "tiny", *common, *where, *arguments])


@pytest.mark.long
def test_a_sweep_trains_ranks_and_keeps_what_is_complete(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--try", "learning_rate=1e-5,3e-2", "--parallel", "2")
    assert sweep(tmp_path / "runs", data, *arguments) == 0
    best, worst = ranking(trials("tiny", ["learning_rate=1e-5,3e-2"], []), tmp_path / "runs")
    assert (best.name, worst.name) == ("tiny-learning_rate3e-2", "tiny-learning_rate1e-5")
    assert best.best_loss is not None
    assert worst.best_loss is not None
    assert best.best_loss < worst.best_loss
    shown = capsys.readouterr().out
    assert shown.index("3e-2") < shown.index("1e-5")
    manifest = (tmp_path / "runs" / best.name / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(manifest)["recipe"]["learning_rate"] == 0.03
    assert sweep(tmp_path / "runs", data, *arguments) == 0
    assert (tmp_path / "runs" / best.name / "manifest.json").read_text(encoding="utf-8") == manifest


@pytest.mark.long
def test_a_run_that_fails_is_told_with_its_reason_and_the_others_go_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "runs" / "tiny-rank4"
    taken.mkdir(parents=True)
    (taken / "run.json").write_text("{", encoding="utf-8")
    assert sweep(tmp_path / "runs", data, "--try", "lora.rank=4,8") == 1
    captured = capsys.readouterr()
    assert "tiny-rank4 failed" in captured.err
    assert "run.json cannot be read" in captured.err
    assert "tiny-rank8" in captured.out


def test_a_value_that_the_recipe_does_not_take_is_found_before_anything_is_trained(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(tmp_path / "runs", data, "--try", "lora.rank=8,none") == 2
    assert "lora.rank" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()

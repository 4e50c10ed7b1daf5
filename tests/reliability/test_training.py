"""Two kills in the middle of a training run, and that each check of what they leave behind finds what is wrong. The
many are `make soak`'s."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bot.database.tables import RunStatus, TrainingRun
from model.adapter_folder import CONFIG, WEIGHTS
from tests.reliability.__main__ import main
from tests.reliability.training import VICTIMS, cells, plan
from tests.reliability.training_checks import (
    Post,
    adapter_problems,
    job_problems,
    post_problems,
    process_problems,
    result_problems,
    row_problems,
    stray_problems,
)
from training.finetuning.recipe import load_recipe
from training.serving.jobs import Job

DONE = Post("Training run 1: brief-1-abcd", "✅ Done. The new adapter is there.", (), ("loss.png",))
REPORT = Post("Report of training run 1: brief-1-abcd", "It is better.", ("Use it",), ("heatmap.png",))


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_kills_while_a_run_is_trained_leave_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "training.json"
    arguments = ["training", "--count", "2", "--json", str(report), "--keep", str(tmp_path / "worlds")]
    assert main(arguments) == 0
    assert "| **all** | **2** | **0** |" in capsys.readouterr().out
    assert set(json.loads(report.read_text(encoding="utf-8"))["cells"]) == set(cells())


def test_a_few_kills_have_every_victim_at_several_moments() -> None:
    first = plan()[: len(VICTIMS)]
    assert {victims for _, victims in first} == set(VICTIMS)
    assert len({moment for moment, _ in first}) == len(first)
    assert len(cells()) == len(plan()) == len(set(plan()))


def run(status: RunStatus = RunStatus.SUCCEEDED, **fields: Any) -> TrainingRun:
    known = {"name": "brief-1-abcd", "key": "abcd", "job_id": "ftjob-1", "reported": True, "error": None}
    return TrainingRun(status=status, **{**known, **fields})


def job(**fields: Any) -> Job:
    known = {
        "id": "ftjob-1",
        "created_at": 1,
        "status": "succeeded",
        "name": "brief-1-abcd",
        "model": "base",
        "recipe_id": "tiny",
        "recipe": load_recipe("tiny"),
        "preset": "tiny",
        "family": "tiny",
        "training_file": "file-1",
    }
    return Job(**{**known, **fields})


def test_a_row_that_is_not_over_is_found() -> None:
    assert row_problems(run()) == []
    assert "not reported" in row_problems(run(reported=False))[0]
    assert "no memory" in row_problems(run(RunStatus.FAILED, error="no memory"))[0]
    assert "cancelled" in row_problems(run(RunStatus.CANCELLED))[0]


def test_a_job_that_is_missing_doubled_or_another_is_found() -> None:
    assert job_problems([job()], run()) == []
    assert "0 jobs" in job_problems([], run())[0]
    assert "2 jobs" in job_problems([job(), job(id="ftjob-2")], run())[0]
    assert "the job is running" in job_problems([job(status="running")], run())[0]
    assert "another job" in job_problems([job(id="ftjob-2")], run())[0]


def test_messages_that_are_missing_doubled_or_stale_are_found() -> None:
    assert post_problems([DONE, REPORT], run()) == []
    for posts, said in (
        ([REPORT], "0 messages show"),
        ([DONE, DONE, REPORT], "2 messages show"),
        ([DONE], "0 messages report"),
        ([DONE, REPORT, REPORT], "2 messages report"),
        ([replace(DONE, description="🏋️ It is training."), REPORT], "does not say how it ended"),
        ([replace(DONE, buttons=("Stop it",)), REPORT], "has buttons yet"),
        ([replace(DONE, files=()), REPORT], "instead of its curves"),
        ([DONE, replace(REPORT, files=())], "a report has the files"),
    ):
        assert said in "\n".join(post_problems(posts, run())), said
    assert stray_problems([DONE, REPORT], ["brief-1-abcd"]) == []
    assert "of no run" in stray_problems([DONE, Post(description="?")], ["brief-1-abcd"])[0]


def test_an_adapter_that_is_not_whole_or_not_the_same_is_found(tmp_path: Path) -> None:
    def adapter(name: str, value: int, *tensors: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        save_file({each: np.array([1, value], dtype=np.uint8) for each in tensors}, folder / WEIGHTS)
        (folder / CONFIG).write_text("{}", encoding="utf-8")
        return folder

    reference = adapter("reference", 1, "a", "b")
    assert adapter_problems(reference, None) == []
    assert adapter_problems(adapter("same", 1, "a", "b"), reference) == []
    assert "2 of 2 tensors" in adapter_problems(adapter("other", 2, "a", "b"), reference)[0]
    assert "other weights" in adapter_problems(adapter("fewer", 1, "a"), reference)[0]
    assert "adapter lacks" in adapter_problems(tmp_path / "nowhere", reference)[0]
    shutil.copytree(reference, tmp_path / ".same")
    assert "half-made" in adapter_problems(tmp_path / "same", reference)[0]
    (reference / "README.md").write_text("", encoding="utf-8")
    assert "other files: ['README.md']" in adapter_problems(tmp_path / "other", reference)[0]


def test_processes_and_results_that_are_too_many_or_too_few_are_found() -> None:
    assert process_problems({7: ["trainer"]}, 7) == []
    assert process_problems({7: ["trainer"], 8: ["model", "serve"]}, 7) == [
        "a process is left over: model serve"
    ]
    assert process_problems({}, 7) == ["the trainer does not run"]
    assert result_problems(["a", "b"], ["b", "a"]) == []
    assert "instead of" in result_problems(["a", "b", "b"], ["a", "b"])[0]

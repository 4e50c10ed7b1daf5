"""Several processes: the same steps as one process that takes all their batches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.finetuning.conftest import QUICK, events, quick, weights
from training.finetuning.run_folder import RunFolder

pytestmark = pytest.mark.long


def test_two_processes_train_as_one_with_the_doubled_batch(
    train: Callable[..., RunFolder], data: Path, tmp_path: Path
) -> None:
    arguments = [
        "finetune",
        "--recipe",
        "tiny",
        "--data",
        str(data),
        "--runs",
        str(tmp_path / "two"),
        "--threads",
        "1",
    ]
    for override in (*QUICK, "epochs=1", "loss.negatives=null"):
        arguments += ["--set", override]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += [
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
    ]
    subprocess.run(
        [*launch, "-m", "training", *arguments],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    two = RunFolder(tmp_path / "two" / "tiny")
    one = train(quick("epochs=1", "accumulate=2", "loss.negatives=null"))
    assert two.read_manifest()["processes"] == 2
    assert [event["step"] for event in events(two, "step")] == [1, 2, 3]
    for ours, theirs in zip(events(one, "step"), events(two, "step"), strict=True):
        assert abs(ours["loss"] - theirs["loss"]) < 1e-4
    # Gradients are added up in another order: the saved weights may differ in their last of eight bits.
    for name, tensor in weights(one).items():
        torch.testing.assert_close(weights(two)[name], tensor, rtol=2**-7, atol=1e-6)

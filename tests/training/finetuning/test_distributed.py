"""Several processes: the same steps as one process that takes all their batches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState

from tests.training.finetuning.conftest import QUICK, events, quick, weights
from training.finetuning.run_folder import RunFolder
from training.finetuning.trainers import RunProgress, stopping

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


def test_all_processes_stop_after_the_same_step_though_one_alone_is_asked_to(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(steps_until_stopped, (tmp_path,), nprocs=2)  # type: ignore[no-untyped-call]
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["3", "3"]


def steps_until_stopped(rank: int, folder: Path) -> None:
    """One of the two: notes after how many steps it ends, where the second is asked to stop in its third."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    progress = RunProgress(
        log=None,
        costs=None,
        peak=None,
        evaluate_every=None,
        checkpoint_every=9,
        epoch_steps=9,
        show=lambda *_: None,
    )
    control = TrainerControl()
    step = 0
    while not control.should_training_stop and step < 8:
        step += 1
        progress.stop_wanted |= (rank, step) == (1, 3)
        progress.on_step_end(
            SimpleNamespace(device="cpu"), TrainerState(global_step=step, max_steps=9), control
        )
    assert progress.stop_wanted
    assert control.should_save
    with stopping(progress):
        # Its own signal comes later than the other's wish, and is not a second one.
        signal.raise_signal(signal.SIGTERM)
    (folder / str(rank)).write_text(str(step))
    torch.distributed.destroy_process_group()

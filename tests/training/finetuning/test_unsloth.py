"""The same recipe by unsloth, in a process of its own, since it replaces transformers' forwards; a CPU is enough."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from model.adapter_folder import read
from tests.training.finetuning.conftest import events, weights
from training.finetuning.recipe import load_recipe
from training.finetuning.run_folder import RunFolder

pytestmark = pytest.mark.long

SMALL = ("packing.tokens=400", "checkpoint_every=4", "learning_rate=0.01", "epochs=2", "warmup_steps=1")


@pytest.mark.unsloth
@pytest.mark.skipif(find_spec("unsloth") is None, reason="unsloth is not installed (see .ci/run)")
def test_unsloth_trains_the_recipe_from_the_same_losses(
    train: Callable[..., RunFolder], data: Path, tmp_path: Path
) -> None:
    arguments = [
        "finetune",
        "--recipe",
        "llama3-tiny",
        "--backend",
        "unsloth",
        "--data",
        str(data),
        "--limit",
        "4",
    ]
    for override in SMALL:
        arguments += ["--set", override]
    subprocess.run(
        [sys.executable, "-m", "training", *arguments, "--runs", str(tmp_path / "unsloth"), "--threads", "1"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    by_unsloth = RunFolder(tmp_path / "unsloth" / "llama3-tiny")
    # unsloth shares nothing, so its packs hold fewer chats.
    alike = load_recipe("llama3-tiny", (*SMALL, "packing.share_prefix=false"))
    by_transformers = train(alike, limit=4)
    first, *_, last = events(by_unsloth, "step")
    assert first["loss"] == pytest.approx(events(by_transformers, "step")[0]["loss"], rel=1e-4)
    assert last["loss"] < first["loss"] - 1
    assert by_unsloth.read_manifest()["backend"] == "unsloth"
    assert read(by_unsloth.adapter).lora == read(by_transformers.adapter).lora
    assert weights(by_unsloth).keys() == weights(by_transformers).keys()
    assert all(tensor.abs().max() > 0 for name, tensor in weights(by_unsloth).items() if "lora_B" in name)

"""A run: weights move, the loss falls, and neither a kill nor a wish to stop changes what comes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from model.adapter_folder import read
from model.prompt import chat_template
from tests.training.finetuning.conftest import QUICK, again, events, quick, weights
from training.finetuning.checkpoints import Checkpoints
from training.finetuning.errors import FinetuningError, RecipeChanged, RunError
from training.finetuning.recipe import load_recipe
from training.finetuning.run_folder import RunFolder
from training.locking import lock

Train = Callable[..., RunFolder]
PNG = b"\x89PNG"


def test_weights_move_and_the_loss_falls(trained: RunFolder) -> None:
    moved = [tensor for name, tensor in weights(trained).items() if "lora_B" in name]
    assert len(moved) == 3 * 7
    assert all(tensor.abs().max() > 0 for tensor in moved)
    held_out = [event["loss"] for event in events(trained, "evaluation")]
    assert held_out[-1] < held_out[0] - 0.3
    losses = [event["loss"] for event in events(trained, "step")]
    assert losses[-1] < losses[0] - 1


def test_the_adapter_is_one_that_the_worker_takes(trained: RunFolder) -> None:
    found = read(trained.adapter)
    assert (found.prompt_format, found.base, found.lora.rank, found.lora.alpha) == ("llama3", "tiny", 8, 16)
    assert (trained.adapter / "chat_template.jinja").read_text() == chat_template("llama3")


def test_the_adapter_is_the_best_checkpoint_in_sixteen_bits(trained: RunFolder) -> None:
    best = min(events(trained, "evaluation"), key=lambda event: event["loss"])
    checkpoint = Checkpoints(trained.checkpoints).best()
    assert checkpoint is not None
    assert checkpoint.progress.step == best["step"]
    from safetensors.torch import load_file

    exact = load_file(checkpoint.path / "adapter_model.safetensors")
    for name, tensor in weights(trained).items():
        assert tensor.dtype == torch.bfloat16
        assert torch.equal(tensor, exact[name].bfloat16())


def test_card_notice_plots_and_manifest_stand_beside_the_adapter(trained: RunFolder) -> None:
    card = (trained.adapter / "README.md").read_text()
    manifest = json.loads((trained.adapter / "manifest.json").read_text())
    assert manifest == trained.read_manifest()
    assert f"perplexity {manifest['held_out']['perplexity']:.2f}" in card
    assert "rank 8, alpha 16" in card
    assert (trained.adapter / "NOTICE").read_text()
    for name in ("loss.png", "loss-dark.png"):
        assert (trained.adapter / name).read_bytes().startswith(PNG)
        assert (trained.path / name).read_bytes().startswith(PNG)


def test_the_manifest_says_what_the_run_was(trained: RunFolder) -> None:
    manifest = trained.read_manifest()
    assert manifest["recipe"] == json.loads(quick().model_dump_json())
    assert manifest["deviations"] == {}
    assert {"torch", "transformers", "trl", "peft"} <= manifest["packages"].keys()
    assert manifest["machine"]["threads"] == 1
    assert manifest["counts"]["chats"] == 12
    assert manifest["languages"] == ["de", "sv", "ko", "en"]
    assert len(manifest["data"]) == 16
    assert "seed" in manifest["recipe"]


def test_every_step_is_noted_with_rate_memory_and_time_left(trained: RunFolder) -> None:
    steps = events(trained, "step")
    (begun,) = events(trained, "begun")
    assert [event["step"] for event in steps] == list(range(1, begun["steps"] + 1))
    for event in steps:
        assert event["tokens_per_second"] > event["learnt_tokens_per_second"] > 0
        assert 0 < event["mfu"] < 2
        assert event["peak_memory"] > 2**27
        assert event["seconds_left"] >= 0
        assert event["learning_rate"] >= 0
    assert steps[-1]["epoch"] == pytest.approx(2)
    assert steps[-1]["seconds_left"] == 0
    assert events(trained, "finished")


def test_a_complete_run_is_not_trained_again(trained: RunFolder, home: Path) -> None:
    before = trained.metrics.read_text()
    assert again(home) == trained
    assert trained.metrics.read_text() == before


def test_a_changed_recipe_is_refused(trained: RunFolder, home: Path) -> None:
    with pytest.raises(RecipeChanged, match=r"lora\.rank: 8 before, 4 now"):
        again(home, "lora.rank=4")


def test_other_data_is_refused(trained: RunFolder, home: Path) -> None:
    with pytest.raises(RecipeChanged, match="data: "):
        again(home, limit=3)


def test_restarting_sets_the_old_run_aside(trained: RunFolder, home: Path, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "tiny")
    shutil.copytree(trained.path, copy.path)
    asked = trained.asked()
    assert asked is not None
    copy.adopt(asked.model_copy(update={"data": "another"}), restart=True)
    assert not copy.complete
    assert copy.asked() == asked.model_copy(update={"data": "another"})
    assert RunFolder(copy.path / "before.1").complete


def test_a_folder_of_something_else_is_left_alone(train: Train, tmp_path: Path) -> None:
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "runs" / "tiny" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="no run"):
        train()


def test_two_processes_do_not_share_a_run(train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    with lock(folder / ".lock"), pytest.raises(RunError, match="another process"):
        train()


def command(data: Path, runs: Path, *more: str) -> list[str]:
    arguments = ["finetune", "--recipe", "tiny", "--data", str(data), "--runs", str(runs), "--threads", "1"]
    for override in QUICK:
        arguments += ["--set", override]
    return [sys.executable, "-m", "training", *arguments, *more]


def wait_for(run: RunFolder, text: str, process: subprocess.Popen[str]) -> None:
    """Until the run has noted this."""
    until = time.monotonic() + 120
    while not run.metrics.exists() or text not in run.metrics.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.long
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(
    trained: RunFolder, train: Train, data: Path, tmp_path: Path
) -> None:
    killed = RunFolder(tmp_path / "runs" / "tiny")
    process = subprocess.Popen(
        command(data, tmp_path / "runs"),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    wait_for(killed, '"checkpoint"', process)
    wait_for(killed, '"step": 3', process)
    process.kill()
    _, said = process.communicate()
    assert "pip install" not in said  # what libraries miss that nobody needs
    assert not killed.complete
    # As a kill in the middle of writing one would leave it.
    (killed.checkpoints / ".saving" / "checkpoint-9").mkdir(parents=True)
    assert train().complete
    (resumed,) = events(killed, "resumed")
    assert resumed["step"] >= 2
    steps = events(trained, "step")
    assert [event["step"] for event in events(killed, "step")] == [event["step"] for event in steps]
    assert [event["loss"] for event in events(killed, "step")] == [event["loss"] for event in steps]
    # Bit for bit.
    for name, tensor in weights(trained).items():
        assert torch.equal(tensor, weights(killed)[name])
    assert not (killed.checkpoints / ".saving").exists()


@contextmanager
def stopped_in_step_three(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What trains in this block is asked to stop by then, and does."""
    from training.finetuning.trainers import RunProgress

    noted = RunProgress.on_log

    def stop_in_step_three(
        self: RunProgress, args: object, state: object, *rest: object, **more: object
    ) -> None:
        noted(self, args, state, *rest, **more)  # type: ignore[arg-type]
        if state.global_step == 2:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunProgress, "on_log", stop_in_step_three)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_a_wish_to_stop_ends_the_run_after_its_step_with_a_checkpoint(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped_in_step_three(monkeypatch):
        train()
    run = train()
    assert not events(run, "stopped")
    assert [event["step"] for event in events(run, "resumed")] == [3]
    assert [event["step"] for event in events(run, "step")] == list(range(1, len(events(run, "step")) + 1))


def test_a_run_by_the_articles_options_that_was_stopped_goes_on_to_the_same_end(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(
        "article",
        ["preset=tiny", "base.quantisation=null", "lora.rank=8", "learning_rate=0.02", "epochs=2"],
    )
    whole = train(recipe, name="whole")
    with stopped_in_step_three(monkeypatch):
        train(recipe)
    stopped = train(recipe)
    # Twelve chats, two at a time and four times over: an epoch's second step is the smaller one.
    assert [event["step"] for event in events(stopped, "resumed")] == [3]
    assert [event["step"] for event in events(stopped, "step")] == [1, 2, 3, 4]
    for kind in ("step", "evaluation"):
        losses = [[event["loss"] for event in events(run, kind)] for run in (whole, stopped)]
        assert losses[0] == losses[1]
    assert all(torch.equal(tensor, weights(stopped)[name]) for name, tensor in weights(whole).items())
    assert whole.read_manifest()["deviations"] == {"optimizer": "adamw"}


def test_a_failure_is_noted_for_those_who_follow_the_run(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError("the machine is full")

    monkeypatch.setattr("training.finetuning.trainers.held_out_loss", no_memory)
    with pytest.raises(MemoryError):
        train()
    assert (
        events(RunFolder(tmp_path / "runs" / "tiny"), "failed")[0]["error"]
        == "MemoryError: the machine is full"
    )


def test_a_run_may_begin_with_an_adapter(home: Path, trained: RunFolder) -> None:
    more = again(home, "epochs=1", "learning_rate=0.001", "lora.rank=2", name="more", adapter=trained.adapter)
    first, *_ = events(more, "step")
    assert first["loss"] < events(trained, "step")[0]["loss"] - 1
    manifest = more.read_manifest()
    assert "with the adapter" in manifest["base"]
    assert "A LoRA adapter for " in (card := (more.adapter / "README.md").read_text(encoding="utf-8"))
    assert "with the adapter" not in card
    assert "| begun with | the adapter whose weights have the hash" in card
    assert manifest["recipe"]["lora"]["rank"] == 8
    assert read(more.adapter).lora == read(trained.adapter).lora


def test_unsloth_begins_with_fresh_layers_only(
    home: Path, trained: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.finetuning.finetune.choose_backend", lambda asked: "unsloth")
    monkeypatch.setattr("training.finetuning.finetune.ready", lambda backend: None)
    with pytest.raises(FinetuningError, match="--backend transformers"):
        again(home, name="other", adapter=trained.adapter)


def test_where_unsloth_would_be_chosen_a_run_from_an_adapter_is_transformers(
    home: Path, trained: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Chosen(Exception):
        pass

    def ready(backend: str) -> None:
        raise Chosen(backend)

    monkeypatch.setattr("training.finetuning.base.find_spec", lambda name: object())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("training.finetuning.finetune.ready", ready)
    with pytest.raises(Chosen, match="unsloth"):
        again(home, name="other")
    with pytest.raises(Chosen, match="transformers"):
        again(home, name="other", adapter=trained.adapter)
    with pytest.raises(Chosen, match="unsloth"):
        again(home, name="other", adapter=trained.adapter, backend="unsloth")


def test_the_weight_of_closing_tokens_changes_what_is_learnt(home: Path, trained: RunFolder) -> None:
    heavier = again(home, "loss.tag_weight=6", name="heavier")
    assert any((weights(heavier)[name] != tensor).any() for name, tensor in weights(trained).items())
    first, plain = events(heavier, "step")[0], events(trained, "step")[0]
    assert first["loss"] != plain["loss"]

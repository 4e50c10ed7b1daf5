"""What stands before a run begins: packs that its backend can keep small, and its steps, counted as Trainer does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.finetuning.conftest import quick
from tests.training.finetuning.test_kto import write_rated
from training.finetuning.base import Backend, load_trainee
from training.finetuning.console import Console
from training.finetuning.data import read_data
from training.finetuning.options import Options
from training.finetuning.prepared import Prepared, prepare
from training.finetuning.rated import RatedChat, read_rated
from training.finetuning.recipe import Recipe
from training.finetuning.run_folder import Asked, RunFolder

Prepare = Callable[..., Prepared]


@pytest.fixture
def prepared(data: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Prepares a run on the small dataset; for unsloth with a model that transformers has loaded."""

    def make(recipe: Recipe, backend: Backend = "transformers", rated: Sequence[RatedChat] = ()) -> Prepared:
        loaded = replace(load_trainee(recipe, "transformers"), backend=backend)
        monkeypatch.setattr("training.finetuning.prepared.load_trainee", lambda *_, **__: loaded)
        return prepare(recipe, Options(threads=1), backend, read_data(data, None, None), list(rated))

    return make


@pytest.mark.parametrize(("backend", "packs"), [("transformers", 2), ("unsloth", 6)])
def test_no_row_is_longer_than_a_pack_may_be(
    prepared: Prepare, backend: Backend, packs: int, tmp_path: Path
) -> None:
    from training.finetuning.sft import make_trainer

    run = prepared(quick("packing.tokens=3000", "epochs=1"), backend)
    trainer, _ = make_trainer(run, RunFolder(tmp_path), None, Console(quiet=True))
    rows = [trainer.data_collator([row]) for row in trainer.train_dataset]
    lengths = [batch["input_ids"].shape[1] for batch in [*rows, *trainer.held_out()]]
    assert max(lengths) <= 3000
    assert len(run.plan) == packs


def test_what_is_not_done_as_the_recipe_says_is_said(
    prepared: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = quick("optimizer=adamw_8bit", "loss.tag_weight=2")
    asked = Asked(method="sft", recipe=recipe, data="d", base="b", backend="unsloth", processes=1)
    Console().introduce(RunFolder(tmp_path), asked, prepared(recipe, "unsloth"))
    said = capsys.readouterr().err
    assert "not as in the recipe: optimizer is adamw, not adamw_8bit" in said
    assert "packing.share_prefix is False, not True" in said
    assert "loss.negatives is None, not 40" in said
    assert "loss.tag_weight is 1.0, not 2.0" in said


def test_without_a_launcher_one_of_several_gpus_trains_and_that_is_said(
    prepared: Prepare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import TrainingArguments

    from training.finetuning.sft import make_trainer

    # Without GPUs this is what Trainer and TRL look at.
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: self.__dict__.get("_n_gpu") or 2))
    run = prepared(quick())
    trainer, _ = make_trainer(run, RunFolder(tmp_path), None, Console(quiet=True))
    assert trainer.args.n_gpu == 1
    asked = Asked(method="sft", recipe=run.recipe, data="d", base="b", backend="transformers", processes=1)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    Console().introduce(RunFolder(tmp_path), asked, run)
    assert "on one of 2 GPUs: accelerate launch --multi_gpu --num_processes 2" in capsys.readouterr().err


def counted(trainer: Any) -> int:
    """The steps that Trainer will take."""
    return int(trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())[-1])


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (("batch=2", "accumulate=4", "epochs=2"), 4),
        (("batch=5", "accumulate=2", "epochs=3"), 6),
        (("batch=3", "accumulate=1", "epochs=0.6"), 3),
        (("batch=4", "accumulate=8", "epochs=0.1"), 1),
    ],
)
def test_the_steps_of_padded_rows_are_those_that_trainer_takes(
    prepared: Prepare, overrides: Sequence[str], steps: int, tmp_path: Path
) -> None:
    from training.finetuning.sft import make_trainer, steps_of

    run = prepared(quick("packing=null", *overrides))
    trainer, _ = make_trainer(run, RunFolder(tmp_path), None, Console(quiet=True))
    assert steps_of(run) == counted(trainer) == steps


@pytest.mark.parametrize("multiple", [1, 3])
def test_the_steps_of_packs_are_those_that_trainer_takes(
    prepared: Prepare, multiple: int, tmp_path: Path
) -> None:
    from training.finetuning.sft import make_trainer, steps_of

    run = prepared(quick(f"accumulate={multiple}", "epochs=1.5"))
    trainer, _ = make_trainer(run, RunFolder(tmp_path), None, Console(quiet=True))
    assert steps_of(run) == counted(trainer) == len(run.plan) // multiple


@pytest.mark.parametrize(
    ("rows", "accumulate", "epochs", "steps"),
    [(4, 2, 0.25, 1), (4, 2, 1.3, 3), (5, 1, 0.4, 1), (7, 4, 2, 2)],
)
def test_the_steps_on_rated_rows_are_those_that_trainer_takes(
    prepared: Prepare, rows: int, accumulate: int, epochs: float, steps: int, tmp_path: Path
) -> None:
    from training.finetuning.kto import make_trainer, steps_of

    rated = read_rated(write_rated(tmp_path / "rated.jsonl"))
    overrides = (f"kto.rows={rows}", f"kto.accumulate={accumulate}", f"kto.epochs={epochs}")
    run = prepared(quick("packing=null", *overrides), rated=rated)
    trainer, _ = make_trainer(run, RunFolder(tmp_path), None, Console(quiet=True))
    assert steps_of(run) == counted(trainer) == steps

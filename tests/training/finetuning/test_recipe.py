"""Recipes: the shipped ones, what they inherit, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.preset import load_preset
from training.finetuning.base import choose_backend, preset_for
from training.finetuning.errors import FinetuningError, RecipeError
from training.finetuning.recipe import PROJECTIONS, load_recipe, recipe_names

SHIPPED = ["article", "embedded", "llama3-8b", "llama3-tiny", "llama3.1-8b", "tiny"]


def test_these_recipes_are_shipped() -> None:
    assert recipe_names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_names_a_preset_and_a_format_that_exist(name: str) -> None:
    recipe = load_recipe(name)
    assert load_preset(recipe.preset).name == recipe.preset
    assert recipe.description


def test_the_articles_recipe_is_the_published_run() -> None:
    recipe = load_recipe("article")
    assert (recipe.lora.rank, recipe.lora.alpha, recipe.lora.dropout) == (64, 64, 0)
    assert recipe.lora.targets == PROJECTIONS
    assert preset_for(recipe).base.repo == "unsloth/llama-3-8b-Instruct-bnb-4bit"
    assert preset_for(recipe).base.quantisation == "nf4"
    assert (recipe.max_length, recipe.too_long, recipe.packing) == (1024, "truncate", None)
    assert (recipe.batch, recipe.accumulate, recipe.epochs) == (2, 4, 1)
    assert (recipe.learning_rate, recipe.schedule, recipe.warmup_steps) == (2e-4, "linear", 5)
    assert (recipe.optimizer, recipe.weight_decay) == ("adamw_8bit", 0.01)
    assert (recipe.seed, recipe.data_seed) == (3407, 42)
    assert (recipe.log_every, recipe.evaluate_every, recipe.gradient_checkpointing) == (1, 100, True)
    assert recipe.loss.tokens == "all"
    assert recipe.prompt_format == "article"


def test_the_tiny_llama_goes_the_way_of_the_large_one() -> None:
    tiny, large = load_recipe("llama3-tiny"), load_recipe("llama3-8b")
    assert tiny.lora == large.lora
    assert tiny.lora.rank == 64
    assert tiny.prompt_format == large.prompt_format
    assert preset_for(tiny).base.quantisation == "nf4"


def test_values_can_be_put_over_those_of_the_file() -> None:
    recipe = load_recipe("embedded", ["lora.rank=16", "learning_rate=2e-4", "loss.negatives=null"])
    assert (recipe.lora.rank, recipe.learning_rate, recipe.loss.negatives) == (16, 2e-4, None)
    assert recipe.lora.alpha == load_recipe("embedded").lora.alpha


def test_llama_3_1_may_be_trained_in_the_form_of_its_guide() -> None:
    recipe = load_recipe("llama3.1-8b", ["prompt_format=llama3.1-guide"])
    assert recipe.prompt_format == "llama3.1-guide"
    assert recipe.changes(load_recipe("llama3.1-8b")) == {"prompt_format": ("llama3.1-guide", "llama3.1")}


def test_a_recipe_extends_another(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: tiny\nlora: {rank: 4}\n")
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert (recipe.name, recipe.lora.rank, recipe.preset) == ("mine", 4, "tiny")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("extends: tiny\nspeed: 3\n", "speed"),
        ("extends: tiny\nprompt_format: morse\n", "morse"),
        ("extends: tiny\nlearning_rate: fast\n", "learning_rate"),
        ("extends: tiny\nlearning_rate: .inf\n", "finite"),
        ("extends: tiny\nbatch: 2\n", "pack"),
        ("extends: tiny\nloss: {tokens: all}\n", "share_prefix"),
        ("extends: bad\n", "itself"),
        ("- a list\n", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(text: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(RecipeError, match=word):
        load_recipe(tmp_path / "bad.yaml")


def test_an_unknown_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match="article, embedded"):
        load_recipe("nonsense")


def test_the_digest_is_of_what_shapes_the_weights() -> None:
    recipe = load_recipe("tiny")
    assert recipe.digest == load_recipe("tiny", ["checkpoint_every=1", "description=another"]).digest
    assert recipe.digest != load_recipe("tiny", ["seed=1"]).digest


def test_of_a_recipe_a_cpu_and_unsloth_cannot_do_everything() -> None:
    recipe = load_recipe("embedded", ["optimizer=adamw_8bit", "loss.negatives=9", "loss.tag_weight=3"])
    assert recipe.carried_out("transformers", on_gpu=True) == recipe
    on_cpu = recipe.carried_out("transformers", on_gpu=False)
    assert recipe.changes(on_cpu) == {"optimizer": ("adamw_8bit", "adamw")}
    assert recipe.changes(recipe.carried_out("unsloth", on_gpu=True)) == {
        "loss.negatives": (9, None),
        "loss.tag_weight": (3.0, 1.0),
        "packing.share_prefix": (True, False),
    }


@pytest.mark.parametrize(
    ("installed", "gpu", "chosen"),
    [
        (True, True, "unsloth"),
        (True, False, "transformers"),
        (False, True, "transformers"),
    ],
)
def test_unsloth_trains_where_it_is_installed_and_a_gpu_is_there(
    installed: bool, gpu: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.finetuning.base.find_spec", lambda _: object() if installed else None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert choose_backend("auto") == chosen
    assert choose_backend("transformers") == "transformers"
    if installed:
        assert choose_backend("unsloth") == "unsloth"
    else:
        with pytest.raises(FinetuningError, match="unsloth is not installed"):
            choose_backend("unsloth")

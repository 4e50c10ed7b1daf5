"""The base model to train, with fresh LoRA layers, by transformers and PEFT or by unsloth.

Both give a PEFT model and a tokenizer, and take the same recipe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from model.preset import Base, Preset, load_preset
from training.finetuning.errors import FinetuningError
from training.finetuning.recipe import Lora, Recipe

Backend = Literal["transformers", "unsloth"]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trainee:
    """A base model with the layers that are trained."""

    preset: Preset
    """Whose base it is, as it was loaded."""
    tokenizer: Any
    model: Any
    """A `PeftModel`."""
    backend: Backend


def choose_backend(asked: str) -> Backend:
    """`auto`: unsloth where it is installed and a GPU is there. Raises `FinetuningError`."""
    if asked == "transformers":
        return "transformers"
    if find_spec("unsloth") is None:
        if asked == "unsloth":
            raise FinetuningError("unsloth is not installed: pip install 'fanfabler[unsloth]'")
        return "transformers"
    if asked == "unsloth":
        return "unsloth"
    import torch

    return "unsloth" if torch.cuda.is_available() else "transformers"


def preset_for(recipe: Recipe) -> Preset:
    """The recipe's preset, with the base that the recipe trains, and no adapter. Raises `PresetError`."""
    preset = load_preset(recipe.preset)
    wanted = {name: value for name, value in recipe.base.model_dump().items() if value is not None}
    if "repo" in wanted and "revision" not in wanted:
        wanted["revision"] = None
    return preset.model_copy(update={"adapter": None, "base": preset.base.model_copy(update=wanted)})


def describe(base: Base, embedded_source: Path | None = None) -> str:
    """Which weights these are, in one line: two runs of the same line train the same base."""
    where = base.repo or f"{base.source} {base.name}"
    if base.source == "embedded" and embedded_source:
        where = f"{embedded_source.name} in place of {base.name}"
    revision = f"@{base.revision}" if base.revision else ""
    return f"{where}{revision} ({base.quantisation}, {base.dtype})"


def sized_as(recipe: Recipe, adapter: Path) -> Recipe:
    """The recipe with the LoRA layers of this adapter, and its prompt format where it says one.

    Raises `FinetuningError`, or the `WorkerError`s of `model.adapter_folder.read`.
    """
    from model.adapter_folder import read

    found = read(adapter)
    if not found.target_modules or found.lora.rank_pattern or found.lora.alpha_pattern or found.lora.rslora:
        raise FinetuningError(
            f"{adapter} has layers of several sizes, or scales them otherwise: start from plain LoRA"
        )
    lora = Lora(rank=found.lora.rank, alpha=found.lora.alpha, dropout=0.0, targets=found.target_modules)
    changed: dict[str, Any] = {"lora": lora}
    if found.prompt_format:
        changed["prompt_format"] = found.prompt_format
    return recipe.model_copy(update=changed)


def load_trainee(
    recipe: Recipe,
    backend: Backend,
    *,
    adapter: Path | None = None,
    dequantised: bool = False,
    embedded_source: Path | None = None,
    cache: Path | None = None,
) -> Trainee:
    """The base with new adapter layers, which the recipe's seed makes the same every time.

    With an `adapter`, whose size is the recipe's, they have its weights. `dequantised`: weights of 4 bits are
    turned into plain ones, which say the same.

    Raises `model.engine.errors.CannotRun`, `model.loading.LoadError` or `FinetuningError`.
    """
    if backend == "unsloth":
        from training.finetuning.by_unsloth import load_by_unsloth

        return load_by_unsloth(recipe, preset_for(recipe), embedded_source=embedded_source, cache=cache)
    import torch
    from peft import LoraConfig, get_peft_model

    from model.loading import load

    preset = preset_for(recipe)
    loaded = load(preset, packed=False, embedded_source=embedded_source, cache=cache)
    model = loaded.base
    if dequantised and getattr(model, "is_quantized", False):
        model = model.dequantize()
    if recipe.packing:
        from training.finetuning.attention import IMPLEMENTATION, register

        register()
        model.set_attn_implementation(IMPLEMENTATION)
    lora = LoraConfig(
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=list(recipe.lora.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(recipe.seed)
    trainee = Trainee(preset, loaded.tokenizer, get_peft_model(model, lora), "transformers")
    if adapter:
        from peft import set_peft_model_state_dict

        from training.finetuning.adapter import read_weights

        set_peft_model_state_dict(trainee.model, read_weights(adapter, "float32"))
    return trainee

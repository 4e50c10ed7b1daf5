"""The base model by unsloth's FastLanguageModel.

unsloth replaces forwards of transformers' classes for the whole process, so it must be imported before anything
else, and its process serves no model. Its attention knows packs by positions that begin anew at each example.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.preset import Base, Preset
from training.finetuning.base import Trainee
from training.finetuning.recipe import Recipe


def import_unsloth() -> Any:
    """Import it, quietly, with its scratch folder out of the way. Before transformers, peft and trl."""
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(Path(tempfile.gettempdir()) / "unsloth_compiled"))
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
    import unsloth

    return unsloth


def load_by_unsloth(
    recipe: Recipe, preset: Preset, *, embedded_source: Path | None, cache: Path | None
) -> Trainee:
    """As `training.finetuning.base.load_trainee`, by unsloth."""
    unsloth = import_unsloth()
    base = preset.base
    with _source(preset, embedded_source, cache) as (where, tokenizer):
        model, its_tokenizer = unsloth.FastLanguageModel.from_pretrained(
            model_name=where,
            revision=base.revision,
            max_seq_length=max(recipe.max_length, recipe.packing.tokens if recipe.packing else 0),
            dtype=_dtype(base),
            load_in_4bit=base.quantisation == "nf4",
            trust_remote_code=False,
        )
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=list(recipe.lora.targets),
        bias="none",
        use_gradient_checkpointing="unsloth" if recipe.gradient_checkpointing else False,
        random_state=recipe.seed,
        max_seq_length=recipe.max_length,
    )
    return Trainee(preset, tokenizer or its_tokenizer, model, "unsloth")


@contextmanager
def _source(preset: Preset, embedded_source: Path | None, cache: Path | None) -> Iterator[tuple[str, Any]]:
    """A repository or a folder that unsloth can load from, and the tokenizer where we know it better.

    unsloth takes no model that is in memory already: one of random weights is written to a folder first.
    """
    base = preset.base
    if base.source == "hub":
        yield str(base.repo), None
        return
    from model.loading import load

    if base.source == "embedded":
        from model.embedded import load_tokenizer, prepare

        folder = prepare(embedded_source, cache)
        yield str(folder), load_tokenizer(folder)
        return
    plain = preset.model_copy(update={"base": base.model_copy(update={"quantisation": "none"})})
    loaded = load(plain, packed=False, cache=cache)
    with tempfile.TemporaryDirectory(prefix="fanfabler-base-") as scratch:
        loaded.base.save_pretrained(scratch)
        loaded.tokenizer.save_pretrained(scratch)
        yield scratch, loaded.tokenizer


def _dtype(base: Base) -> Any:
    """None lets unsloth choose, as it does for every GPU."""
    if base.dtype == "auto":
        return None
    import torch

    return getattr(torch, base.dtype)

"""The folder of an adapter: what PEFT and the worker need, and what it is shipped with.

adapter_model.safetensors, adapter_config.json   PEFT's
fanfabler.json          the prompt format that it was trained with
chat_template.jinja     the same for other servers, where the format has a template
manifest.json           the run's
README.md, NOTICE       the model card, and what the base's licence wants to go along
loss.png, loss-dark.png
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.adapter_folder import CONFIG, METADATA, TEMPLATE, WEIGHTS
from model.preset import Base
from model.prompt import TEMPLATES, chat_template
from training.finetuning.card import EVALUATION, model_card
from training.finetuning.licences import licence_of
from training.finetuning.recipe import Recipe


def read_weights(folder: Path, dtype: str) -> dict[str, Any]:
    """An adapter's weights in this type, by name."""
    import torch
    from safetensors.torch import load_file

    kind = getattr(torch, dtype)
    return {name: tensor.to(kind).contiguous() for name, tensor in load_file(folder / WEIGHTS).items()}


def write_weights(folder: Path, weights: Mapping[str, Any], lora: Mapping[str, Any], base: Base) -> None:
    """What PEFT needs. `lora` is its configuration, in which the base is named so that others find it."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(weights), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    named = base.repo or licence_of(base).hub_base or base.name
    _write_json(folder / CONFIG, {**lora, "base_model_name_or_path": named})


def write_prompt_format(folder: Path, recipe: Recipe) -> None:
    """What a server needs to know to prompt it."""
    _write_json(folder / METADATA, {"prompt_format": recipe.prompt_format})
    if recipe.prompt_format in TEMPLATES:
        (folder / TEMPLATE).write_text(chat_template(recipe.prompt_format), encoding="utf-8")


def write_papers(folder: Path, manifest: Mapping[str, Any], base: Base, languages: Sequence[str]) -> None:
    """Manifest, card and notice; the card has the evaluation's report where one stands beside it."""
    licence = licence_of(base)
    _write_json(folder / "manifest.json", manifest)
    report = folder / EVALUATION
    card = model_card(
        manifest,
        licence,
        languages=languages,
        template=(folder / TEMPLATE).is_file(),
        evaluation=report.read_text(encoding="utf-8") if report.is_file() else None,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "NOTICE").write_text(licence.notice(), encoding="utf-8")
    for text in licence.texts():
        shutil.copyfile(text, folder / text.name)


def _write_json(path: Path, fields: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

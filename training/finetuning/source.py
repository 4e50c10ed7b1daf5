"""An adapter that a run made, found by the run's name or by its folder, with what its manifest says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.adapter_folder import CONFIG
from training.chats import explain
from training.finetuning.errors import NoSuchRun, RunError
from training.finetuning.recipe import Recipe
from training.finetuning.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """The folder of an adapter, and how it was trained."""

    folder: Path
    manifest: dict[str, Any]
    recipe: Recipe


def find_adapter(name_or_folder: str | Path, runs: Path) -> TrainedAdapter:
    """The adapter in this folder, or that of the complete run of this name.

    Raises `NoSuchRun`, and `RunError` where it does not say how it was trained.
    """
    folder = Path(name_or_folder)
    if not (folder / CONFIG).is_file():
        run = RunFolder(runs / str(name_or_folder))
        if not run.complete:
            state = (
                "is not complete: the same finetune command goes on with it" if run.asked() else "is no run"
            )
            raise NoSuchRun(f"{name_or_folder} is no folder of an adapter, and {run.path} {state}")
        folder = run.adapter
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        recipe = Recipe.model_validate(manifest["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = explain(error) if isinstance(error, ValidationError) else str(error)
        raise RunError(f"{folder} has no manifest.json of a run of ours ({said})") from error
    return TrainedAdapter(folder, manifest, recipe)

"""The adapters that there are: what jobs made, what else lies in the worker's folder, and what presets come with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model.adapter_folder import CONFIG
from model.adapter_list import ListedAdapter, list_adapters
from model.preset import Preset, list_presets
from model.settings import WorkerSettings
from training.finetuning.licences import family_by_name, family_of
from training.serving.errors import NotFound
from training.serving.jobs import Job


@dataclass(frozen=True, slots=True)
class KnownAdapter:
    """An adapter and where it comes from."""

    name: str
    path: Path | None
    """None for one that is only on Hugging Face's hub."""
    preset: str | None
    family: str | None
    """Of its base; None where that cannot be told."""
    recipe: str | None = None
    job: str | None = None
    created_at: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    result_files: tuple[str, ...] = ()
    base: str | None = None
    """The name of the base model that it was made for, where its preset is known."""

    def for_client(self) -> dict[str, Any]:
        """For the API."""
        return {
            "id": self.name,
            "object": "adapter",
            "path": str(self.path) if self.path else None,
            "preset": self.preset,
            "base": self.base,
            "recipe": self.recipe,
            "job": self.job,
            "created_at": self.created_at,
            "lineage": self.family,
            "held_out_loss": self.figures.get("held_out_loss"),
            "language_match": self.figures.get("language_match"),
            "evaluated_on": self.figures.get("evaluated_on"),
            "base_held_out_loss": (self.figures.get("held_out_losses") or {}).get("base"),
            "base_language_match": (self.figures.get("language_matches") or {}).get("base"),
            "validation_loss": self.figures.get("validation_loss"),
            "result_files": list(self.result_files),
        }


def all_adapters(folder: Path, jobs: Sequence[Job], presets: Sequence[Preset]) -> list[KnownAdapter]:
    """Those of jobs first, the newest first as `jobs` are; names are given once.

    What was never judged by itself has the figures of the newest evaluation that it stood beside in.
    """
    found = {adapter.name: adapter for job in jobs if (adapter := _of_job(job)) is not None}
    for listed in list_adapters(folder, presets):
        if listed.fault is None and listed.path not in found:
            found[listed.path] = _of_folder(listed, folder, presets)
    for preset in presets:
        if preset.adapter is not None and (own := preset.active_adapter()) and own.name not in found:
            family = family_of(preset.base)
            found[own.name] = KnownAdapter(own.name, preset.adapter_folder(), preset.name, family)
    beside, bases = _judged_beside(jobs), {preset.name: preset.base.name for preset in presets}
    return [
        replace(
            each,
            base=bases.get(each.preset or ""),
            figures={**each.figures, **beside[name]}
            if name in beside and each.figures.get("held_out_loss") is None
            else each.figures,
        )
        for name, each in found.items()
    ]


def _judged_beside(jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """Name → figures, from jobs that were to be compared with it."""
    found: dict[str, dict[str, Any]] = {}
    for job in jobs:
        losses, matches = (job.figures.get(key, {}) for key in ("held_out_losses", "language_matches"))
        if job.compare_with is not None and "compared" in losses:
            figures = {
                "held_out_loss": losses["compared"],
                "language_match": matches.get("compared"),
                "evaluated_on": job.figures.get("evaluated_on"),
            }
            found.setdefault(job.compare_with, figures)
    return found


def find_adapter(name: str, adapters: Sequence[KnownAdapter], param: str) -> KnownAdapter:
    """The adapter of this name. Raises `NotFound`, about the field `param`."""
    for adapter in adapters:
        if adapter.name == name:
            return adapter
    names = ", ".join(adapter.name for adapter in adapters) or "none"
    raise NotFound(f"There is no adapter {name!r} here; there are: {names}.", param=param)


def folder_of(name: str, settings: WorkerSettings) -> Path:
    """Where an adapter lies; one on the hub is downloaded. Raises `NotFound`, `LoadError`."""
    if (settings.adapters_dir / name / CONFIG).is_file():
        return settings.adapters_dir / name
    for preset in list_presets():
        own = preset.active_adapter()
        if own is not None and own.name == name:
            from model.loading import adapter_folder

            return adapter_folder(preset, own)
    raise NotFound(f"The adapter {name!r} is not in {settings.adapters_dir} any more.")


def _of_job(job: Job) -> KnownAdapter | None:
    if job.status != "succeeded" or job.adapter_path is None:
        return None
    path = Path(job.adapter_path)
    if not (path / CONFIG).is_file():
        return None
    return KnownAdapter(
        job.name, path, job.preset, job.family, job.recipe_id, job.id, job.finished_at,
        job.figures, job.result_files,
    )  # fmt: skip


def _of_folder(listed: ListedAdapter, folder: Path, presets: Sequence[Preset]) -> KnownAdapter:
    path = (folder / listed.path).resolve()
    preset = next((each for each in presets if each.name in listed.presets), None)
    recipe, loss = _from_manifest(path)
    figures = {} if loss is None else {"validation_loss": loss}
    return KnownAdapter(
        listed.path,
        path,
        preset.name if preset else None,
        family_of(preset.base) if preset else family_by_name(listed.base),
        recipe,
        None,
        int((path / CONFIG).stat().st_mtime),
        figures,
    )


def _from_manifest(path: Path) -> tuple[str | None, float | None]:
    """Recipe and held-out loss of an adapter that a run of ours made."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["recipe"]["name"]), float(manifest["held_out"]["loss"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None

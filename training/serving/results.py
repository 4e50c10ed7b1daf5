"""The end of a job: the adapter where the worker loads it from, and everything that people want to see of it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

from model.settings import WorkerSettings
from training.chats import write_text
from training.finetuning.adapter import write_papers
from training.finetuning.base import preset_for
from training.finetuning.card import EVALUATION
from training.finetuning.checkpoints import Checkpoints, sync
from training.finetuning.publish import take_report
from training.serving.errors import StageFailed
from training.serving.jobs import Job, JobFolder

FROM_RUN = ("loss.png", "loss-dark.png", "manifest.json")
FROM_EVALUATION = ("report.json", "report.md", "report.html", "heatmap.png", "heatmap-dark.png", "worst.json")
ZIP = "adapter.zip"
FIGURES = "figures.json"
"""Written last: results that have it are complete."""

_OF_CHECKPOINTS = (".safetensors", ".json", ".md")


def finish(job: Job, folder: JobFolder) -> None:
    """Put adapter and results in place; called again after a kill, it does the same."""
    manifest = folder.run.read_manifest()
    place = WorkerSettings().adapters_dir.resolve() / job.name
    _install(folder, manifest, job, place)
    shutil.rmtree(folder.results, ignore_errors=True)
    folder.results.mkdir()
    for name in FROM_RUN:
        shutil.copyfile(folder.run.path / name, folder.results / name)
    figures = {"validation_loss": manifest["held_out"]["loss"]}
    if job.evaluate:
        for name in FROM_EVALUATION:
            shutil.copyfile(folder.evaluation / name, folder.results / name)
        figures |= json.loads((folder.evaluation / FIGURES).read_text(encoding="utf-8"))
    _zip(place, folder.results / ZIP)
    _thin(folder.run.checkpoints)
    write_text(folder.results / "adapter-path", str(place))
    write_text(folder.results / FIGURES, json.dumps(figures, indent=1) + "\n")


def _install(folder: JobFolder, manifest: dict[str, object], job: Job, place: Path) -> None:
    """A copy of the run's adapter below the worker's folder, with the evaluation in its card, in one step.

    Raises `StageFailed` where somebody else's lies there by now.
    """
    if place.exists() and _manifest(place) != manifest:
        raise StageFailed(
            f"{place} has been taken by another adapter in the meantime; the run is in {folder.run.path}"
        )
    take_back(folder, place)
    made = _scratch(place)
    made.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder.run.adapter, made)
    if job.evaluate:
        take_report(folder.evaluation, made)
        (made / EVALUATION.parent / "worst.json").unlink(missing_ok=True)
    languages = [str(code) for code in manifest.get("languages", [])]  # type: ignore[attr-defined]
    write_papers(made, manifest, preset_for(job.recipe).base, languages)
    sync(made)
    made.rename(place)


def take_back(folder: JobFolder, place: Path) -> None:
    """Remove what the run has put below the worker's folder, and nobody else's adapter of its name."""
    manifest = _manifest(folder.run.path)
    if manifest is None:
        return
    scratch = _scratch(place)
    shutil.rmtree(scratch, ignore_errors=True)
    if _manifest(place) == manifest:
        place.rename(scratch)  # in one step, as half of it would be nobody's
        shutil.rmtree(scratch, ignore_errors=True)


def _scratch(place: Path) -> Path:
    return place.with_name(f".{place.name}")


def _manifest(place: Path) -> object:
    try:
        return json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _zip(adapter: Path, out: Path) -> None:
    """The adapter's folder as one file; weights do not compress, so nothing tries."""
    scratch = out.with_name(f".{out.name}")
    with zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as made:
        for path in sorted(adapter.rglob("*")):
            if path.is_file():
                made.write(path, f"{adapter.name}/{path.relative_to(adapter).as_posix()}")
    scratch.replace(out)


def _thin(checkpoints: Path) -> None:
    """Keep of the checkpoints what is an adapter; the optimiser's state, most of their size, is of no more use."""
    for checkpoint in Checkpoints(checkpoints).all():
        for path in checkpoint.path.iterdir():
            if path.is_file() and path.suffix not in _OF_CHECKPOINTS:
                path.unlink()

"""The end of a run: the best adapter with all that it is shipped with, and the manifest, written last."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from model.adapter_folder import CONFIG
from training.finetuning.adapter import read_weights, write_papers, write_prompt_format, write_weights
from training.finetuning.checkpoints import Checkpoint, sync
from training.finetuning.console import Console
from training.finetuning.curves import draw_curves
from training.finetuning.metrics import EventLog, seconds_of
from training.finetuning.prepared import Prepared
from training.finetuning.run_folder import Asked, RunFolder

PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "bitsandbytes",
    "unsloth",
    "tokenizers",
)


def finish(
    folder: RunFolder, asked: Asked, prepared: Prepared, trainer: Any, log: EventLog, console: Console
) -> None:
    """Write the adapter of the best checkpoint, its held-out loss, the plots and the manifest."""
    from peft import set_peft_model_state_dict

    from training.finetuning.sft import held_out_of
    from training.finetuning.trainers import held_out_loss, perplexity

    best: Checkpoint = trainer.checkpoints.best()
    recipe, base = prepared.recipe, prepared.trainee.preset.base
    with console.working("held-out loss of the adapter as it is saved"), _in_one_step(folder.adapter) as made:
        weights = read_weights(best.path, recipe.adapter_dtype)
        lora = json.loads((best.path / CONFIG).read_text(encoding="utf-8"))
        write_weights(made, weights, lora, base)
        write_prompt_format(made, recipe)
        set_peft_model_state_dict(prepared.trainee.model, weights)
        loss, tokens = held_out_loss(trainer.model, held_out_of(prepared, whole=True))
        manifest = _manifest(folder, asked, prepared, best.progress.step, trainer.state.global_step)
        manifest["held_out"] = {"loss": loss, "perplexity": perplexity(loss), "tokens": tokens}
        manifest["seconds"] = round(sum(seconds_of(log.read())))
        for drawn in draw_curves(log.read(), folder.name, folder.path):
            shutil.copyfile(drawn, made / drawn.name)
        write_papers(made, manifest, base, prepared.languages)
    log.write("finished", step=best.progress.step, loss=loss, perplexity=perplexity(loss))
    folder.write_manifest(manifest)
    console.say(f"{folder.adapter}: held-out loss {loss:.4f}, perplexity {perplexity(loss):.2f}")


@contextmanager
def _in_one_step(place: Path) -> Iterator[Path]:
    """A folder to write into, that takes its place when all of it is written."""
    made = place.with_name(f".{place.name}")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    yield made
    sync(made)
    shutil.rmtree(place, ignore_errors=True)
    made.rename(place)


def _manifest(folder: RunFolder, asked: Asked, prepared: Prepared, step: int, steps: int) -> dict[str, Any]:
    counts = prepared.counts
    return {
        "name": folder.name,
        "method": asked.method,
        "recipe": asked.recipe.model_dump(mode="json"),
        # Fields of it that were not carried out, with what took their place.
        "deviations": {key: used for key, (_, used) in asked.recipe.changes(prepared.recipe).items()},
        "data": asked.data,
        "languages": prepared.languages,
        "counts": {name: getattr(counts, name) for name in counts.__slots__},
        "base": asked.base,
        "backend": asked.backend,
        "processes": asked.processes,
        "step": step,
        "steps": steps,
        "packages": packages(),
        "machine": machine(),
        "commit": commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def packages() -> dict[str, str]:
    """The versions of what shapes the weights."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What it was trained on; no names of hosts or people."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
    }


def commit() -> str | None:
    """The commit of the code, with `+` where files were changed since; None outside a git checkout."""
    try:
        found, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{found}+" if changed else found


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    here = Path(__file__).parent
    return subprocess.run(  # noqa: S603 - fixed arguments
        command, cwd=here, capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()

"""Whether this machine can run a preset, said in one sentence with the remedy, before anything is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from model.embedded import is_prepared, prepared_folder
from model.engine.errors import CannotRun
from model.machine import GIB, Machine, downloaded, free_disk, installed, this_machine
from model.preset import Adapter, Preset


def check(
    preset: Preset,
    *,
    embedded_source: Path | None = None,
    cache: Path | None = None,
    random_weights: bool = False,
) -> None:
    """Raises `CannotRun` for what is missing: packages, then GPU and memory, then weights.

    Asks Hugging Face's hub about weights that are not here.
    """
    found = obstacle(preset, embedded_source=embedded_source, cache=cache)
    if found is None and not random_weights:
        found = _missing_weights(preset)
    if found is not None:
        raise CannotRun(found)


def obstacle(preset: Preset, *, embedded_source: Path | None = None, cache: Path | None = None) -> str | None:
    """The same as a sentence, None where there is none. Asks no network."""
    machine = this_machine()
    found = _missing_package(preset) or _missing_memory(preset, machine)
    if found or preset.base.source != "embedded":
        return found
    try:
        prepared_folder(embedded_source, cache)
    except CannotRun as error:
        return str(error)
    return None


def weights_state(preset: Preset, *, embedded_source: Path | None = None, cache: Path | None = None) -> str:
    """In a word or two: whether the weights are here."""
    match preset.base.source:
        case "fake":
            return "none needed"
        case "random":
            return "made here"
        case "embedded":
            try:
                ready = is_prepared(prepared_folder(embedded_source, cache))
            except CannotRun:
                return "not installed"
            return "prepared" if ready else "not prepared yet"
        case "hub":
            repo = preset.base.repo or ""
            return "downloaded" if downloaded(repo, preset.base.revision) else "not downloaded"


def _missing_package(preset: Preset) -> str | None:
    if preset.base.source == "fake":
        return None
    needed = {"torch": "worker", "transformers": "worker", "accelerate": "worker", "psutil": "worker"}
    if preset.active_adapter() is not None:
        needed["peft"] = "worker"
    if preset.base.quantisation == "nf4":
        needed["bitsandbytes"] = "gpu"
    if preset.base.source == "embedded":
        needed["gguf"] = "worker"
    if preset.base.tokenizer == "llama3":
        needed["llama_models"] = "llama-tokenizer"
    for module, extra in needed.items():
        if not installed(module):
            return (
                f"Preset {preset.name} needs the package {module.replace('_', '-')}: "
                f"pip install 'fanfabler[{extra}]'."
            )
    return None


def _missing_memory(preset: Preset, machine: Machine) -> str | None:
    need = preset.memory
    if need.gpu is not None:
        instead = "use --preset embedded, which runs on any machine"
        if machine.gpu is None:
            return (
                f"Preset {preset.name} needs a GPU of {need.gpu:g} GiB and this machine has none: {instead}."
            )
        if not machine.torch_has_cuda:
            return (
                f"The installed torch cannot use this machine's {machine.gpu}: "
                "install torch's CUDA build (pip install --force-reinstall torch)."
            )
        if machine.gpu_memory < need.gpu * GIB * 0.95:
            return (
                f"Preset {preset.name} needs {need.gpu:g} GiB of GPU memory and the {machine.gpu} "
                f"has {machine.gpu_memory / GIB:.0f}: {instead}."
            )
    if machine.free_ram < need.ram * GIB:
        return (
            f"Preset {preset.name} needs {need.ram:g} GiB of memory and {machine.free_ram / GIB:.1f} are free: "
            "close something, or use a smaller preset."
        )
    return None


def _missing_weights(preset: Preset) -> str | None:
    if preset.base.source == "hub":
        repo = preset.base.repo or ""
        missing = _missing_repository(repo, preset.base.revision, preset.memory.disk, gated=preset.base.gated)
        if missing:
            return missing
    adapter = preset.active_adapter()
    return _missing_adapter(preset, adapter) if adapter else None


def _missing_adapter(preset: Preset, adapter: Adapter) -> str | None:
    folder = preset.adapter_folder()
    if folder is None:
        return _missing_repository(adapter.repo or "", adapter.revision, 1.0, gated=False)
    if not (folder / "adapter_config.json").is_file():
        return f"The adapter {adapter.name} is not at {folder}: put it there, or set 'adapter: null'."
    if not (folder / "adapter_model.safetensors").is_file():
        return f"The adapter at {folder} has no adapter_model.safetensors, the only form that is loaded."
    return None


def _missing_repository(  # noqa: PLR0911
    repo: str, revision: str | None, disk: float, *, gated: bool
) -> str | None:
    """Ask the hub only for what is not here."""
    if downloaded(repo, revision):
        return None
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    folder = Path(constants.HF_HUB_CACHE)
    free = free_disk(folder) / GIB
    if free < disk:
        return f"{repo} needs {disk:g} GiB of disk and {folder} has {free:.1f}: make room, or set HF_HOME."
    offline = f"{repo} is not on this machine and Hugging Face's hub is out of reach"
    remedy = "download it where there is a network (hf download), or name a local folder as the preset's repo"
    if constants.HF_HUB_OFFLINE:
        return f"{offline} (HF_HUB_OFFLINE is set): {remedy}."
    try:
        HfApi().model_info(repo, revision=revision, timeout=10)
    except GatedRepoError:
        return _gated(repo)
    except RepositoryNotFoundError:
        return _gated(repo) if gated else f"There is no repository {repo} on Hugging Face's hub."
    except (HfHubHTTPError, OSError) as error:
        return f"{offline} ({type(error).__name__}): {remedy}."
    return _gated(repo) if gated and not _has_token() else None


def _gated(repo: str) -> str:
    return f"{repo} is gated: accept its licence at https://huggingface.co/{repo} and set HF_TOKEN."


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(os.environ.get("HF_TOKEN") or get_token())

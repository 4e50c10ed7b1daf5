"""Whether this machine can run a preset, said in one sentence with the remedy, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from model.embedded_folder import is_prepared, prepared_folder
from model.engine.errors import CannotRun
from model.machine import GIB, Machine, downloaded, free_disk, installed, is_path, this_machine
from model.preset import Adapter, Preset, load_preset


def default_preset() -> str:
    """The preset for this machine where none is chosen."""
    needed = (load_preset("llama3-8b").memory.gpu or 0) * GIB
    return "llama3-8b" if this_machine().usable_gpu_memory >= needed else "embedded"


def check(
    preset: Preset,
    *,
    embedded_source: Path | None = None,
    cache: Path | None = None,
    random_weights: bool = False,
    machine: Machine | None = None,
) -> None:
    """Raises `CannotRun` for what is missing: packages, then GPU and memory, then weights.

    Asks Hugging Face's hub about weights that are not here. `machine` is this one where not given.
    """
    found = obstacle(preset, embedded_source=embedded_source, cache=cache, machine=machine)
    if found is None and not random_weights:
        found = _missing_weights(preset)
    if found is not None:
        raise CannotRun(found)


def obstacle(
    preset: Preset,
    *,
    embedded_source: Path | None = None,
    cache: Path | None = None,
    machine: Machine | None = None,
) -> str | None:
    """The same as a sentence, None where there is none. Asks no network. `machine` is this one where not given."""
    machine = machine or this_machine()
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
    needed = dict.fromkeys(("torch", "transformers", "accelerate", "psutil", "peft", "safetensors"), "worker")
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
        if machine.free_gpu_memory < need.gpu * GIB * 0.95:
            return (
                f"Preset {preset.name} needs {need.gpu:g} GiB of GPU memory and {machine.free_gpu_memory / GIB:.1f} of "
                f"the {machine.gpu}'s {machine.gpu_memory / GIB:.0f} are free: end what else runs on it (nvidia-smi "
                "lists it)."
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


def _missing_repository(repo: str, revision: str | None, disk: float, *, gated: bool) -> str | None:
    """Ask the hub only for what is not here."""
    if downloaded(repo, revision):
        return None
    if is_path(repo):
        return f"There are no weights in {repo}: put the model's *.safetensors there, or change the preset's repo."
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    free = free_disk(folder) / GIB
    if free < disk:
        return f"{repo} needs {disk:g} GiB of disk and {folder} has {free:.1f}: make room, or set HF_HOME."
    if constants.HF_HUB_OFFLINE:
        return _out_of_reach(repo, "HF_HUB_OFFLINE is set")
    return _not_to_be_had(repo, revision, gated=gated)


def _not_to_be_had(repo: str, revision: str | None, *, gated: bool) -> str | None:  # noqa: PLR0911
    """What the hub says to a download."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub = HfApi()
    try:
        hub.model_info(repo, revision=revision, timeout=10)
        if gated:  # what a repository is may be read by all, its files may not
            hub.auth_check(repo)
    except GatedRepoError:
        return _gated(repo)
    except RevisionNotFoundError:
        return f"{repo} on Hugging Face's hub has no revision {revision}: change the preset's revision."
    except RepositoryNotFoundError:
        # To strangers the hub denies what is private or gated.
        return (
            _gated(repo)
            if gated
            else f"There is no repository {repo} on Hugging Face's hub: change the preset's repo."
        )
    except HFValidationError:
        return f"{repo} is neither a folder nor a repository's id: change the preset's repo."
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        return _gated(repo) if status in {401, 403} else _out_of_reach(repo, f"it answers {status}")
    except (OSError, RuntimeError) as error:
        return _out_of_reach(repo, type(error).__name__)
    return None


def _out_of_reach(repo: str, why: str) -> str:
    return (
        f"{repo} is not on this machine and Hugging Face's hub is out of reach ({why}): download it where there is a "
        "network (hf download), or name a local folder as the preset's repo."
    )


def _gated(repo: str) -> str:
    return f"{repo} is gated: accept its licence at https://huggingface.co/{repo} and set HF_TOKEN."

"""From a preset to a model in memory: base, quantisation, adapter, tokenizer. Nothing here serves.

Heavy imports are inside the functions. Only safetensors are read, and no code of a repository is ever run.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.embedded import Progress, Report, load_tokenizer, prepare
from model.engine.errors import CannotRun, WorkerError
from model.preset import Adapter, Base, Preset

log = logging.getLogger("model.loading")


class LoadError(WorkerError):
    """The model could not be loaded."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A base model, and the same with an adapter where the preset has one. Their base weights are shared."""

    preset: Preset
    tokenizer: Any
    base: Any
    """A transformers causal model in evaluation mode."""
    adapted: Any | None
    adapter: Adapter | None

    @property
    def on_gpu(self) -> bool:
        return str(self.base.device.type) == "cuda"


def load(
    preset: Preset,
    *,
    random_weights: bool = False,
    embedded_source: Path | None = None,
    cache: Path | None = None,
    report: Report | None = None,
) -> LoadedModel:
    """Load what the preset names. `random_weights` takes only its shape, and no adapter.

    Raises `CannotRun` or `LoadError`.
    """
    import torch
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    tell = report or (lambda progress: None)
    if preset.engine.threads:
        torch.set_num_threads(preset.engine.threads)
    base = preset.base
    if base.source == "random" or random_weights:
        tell(Progress("Making random weights"))
        model, tokenizer = _random(base), _random_tokenizer(base, cache)
    elif base.source == "embedded":
        folder = prepare(embedded_source, cache, report)
        tell(Progress("Loading the model"))
        model, tokenizer = _pretrained(base, str(folder)), load_tokenizer(folder)
    else:
        tell(Progress("Loading the model"))
        model = _pretrained(base, base.repo or "")
        tokenizer = _hub_tokenizer(base)
    model.eval().requires_grad_(False)
    adapter = None if random_weights else preset.active_adapter()
    adapted = None
    if adapter is not None:
        tell(Progress("Loading the adapter"))
        adapted = with_adapter(model, _adapter_folder(preset, adapter))
    return LoadedModel(preset, tokenizer, model, adapted, adapter)


def with_adapter(base: Any, folder: Path) -> Any:
    """A copy of the base with this LoRA adapter in place. The base's tensors are shared, not copied.

    Raises `LoadError` where the adapter is not for this base, or not safetensors.
    """
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").is_file():
        raise LoadError(f"{folder} has no adapter_model.safetensors.")
    try:
        adapted = PeftModel.from_pretrained(shared_copy(base), str(folder), is_trainable=False)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise LoadError(f"The adapter in {folder} does not fit this base: {error}") from error
    # The layers with LoRA in place, without PEFT's wrapper, which knows no continuous batching.
    return adapted.base_model.model.eval()


def shared_copy(model: Any) -> Any:
    """A model whose modules are its own and whose tensors are those of `model`."""
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, memo=dict(tensors))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(base: Base) -> Any:
    import torch

    if base.dtype != "auto":
        return getattr(torch, base.dtype)
    if _device() == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _quantisation(base: Base) -> Any:
    if base.quantisation == "none":
        return None
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=_dtype(base),
    )


def _pretrained(base: Base, repo: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(repo, revision=base.revision, trust_remote_code=False)
        quantised = getattr(config, "quantization_config", None) is not None
        return AutoModelForCausalLM.from_pretrained(
            repo,
            revision=base.revision,
            dtype=_dtype(base),
            device_map={"": _device()},
            quantization_config=None if quantised else _quantisation(base),
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        raise LoadError(f"{repo} could not be loaded: {error}") from error


def _random(base: Base) -> Any:
    """A model of the preset's shape. The same seed makes the same weights, and quantises them the same."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if base.shape is None:
        raise CannotRun("This preset has no 'base.shape', so no random weights can be made for it.")
    config = AutoConfig.for_model(base.model_type, **base.shape)
    device = _device()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.device(device):
        torch.manual_seed(base.seed)
        model = AutoModelForCausalLM.from_config(config, dtype=_dtype(base))
    quantisation = _quantisation(base)
    if quantisation is None:
        return model
    return type(model).from_pretrained(
        None,
        config=config,
        state_dict=model.state_dict(),
        dtype=_dtype(base),
        device_map={"": device},
        quantization_config=quantisation,
    )


def _random_tokenizer(base: Base, cache: Path | None) -> Any:
    if base.tokenizer == "bytes":
        from model.byte_tokenizer import byte_tokenizer

        return byte_tokenizer()
    if base.tokenizer == "llama3" or base.model_type == "llama":
        from model.llama_tokenizer import llama_tokenizer

        return llama_tokenizer(cache)
    raise CannotRun("Random weights are served for Llama's shape only, since its tokenizer can be had alone.")


def _hub_tokenizer(base: Base) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base.repo, revision=base.revision, trust_remote_code=False)


def _adapter_folder(preset: Preset, adapter: Adapter) -> Path:
    folder = preset.adapter_folder()
    if folder is not None:
        return folder
    from huggingface_hub import snapshot_download

    wanted = ["adapter_config.json", "*.safetensors"]
    return Path(snapshot_download(adapter.repo or "", revision=adapter.revision, allow_patterns=wanted))

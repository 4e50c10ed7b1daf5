"""From a preset to a model in memory: base, quantisation, tokenizer. Nothing here serves.

Heavy imports are inside the functions. Only safetensors are read, and no code of a repository is ever run.

unsloth's loader is not used here, installed or not. `FastLanguageModel.from_pretrained` replaces the forwards of
Llama's classes for the whole process, and its attention (unsloth 2026.10, `LlamaAttention_fast_forward`) appends keys
and values to a cache of its own, one contiguous piece for each request, without ever asking transformers for the
attention function: continuous batching's paged cache would stay empty. What it has to give besides (4 bits by
bitsandbytes, repositories that were quantised beforehand) transformers loads as well. Its kernels are for training.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.adapter_folder import CONFIG, METADATA, TEMPLATE, WEIGHTS
from model.embedded import Progress, Report, load_tokenizer, prepare
from model.engine.errors import CannotRun, WorkerError
from model.machine import this_machine, usable_cores, wait_briefly
from model.preset import Adapter, Base, Preset


class LoadError(WorkerError):
    """The model could not be loaded."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A base model with its tokenizer. Adapters are put into copies of it, see `model.lora`."""

    preset: Preset
    tokenizer: Any
    base: Any
    """A transformers causal model in evaluation mode."""
    random_weights: bool = False
    """Whether its weights were made where the preset names real ones: no adapter fits it."""

    @property
    def on_gpu(self) -> bool:
        return str(self.base.device.type) == "cuda"


def load(
    preset: Preset,
    *,
    random_weights: bool = False,
    packed: bool = True,
    embedded_source: Path | None = None,
    cache: Path | None = None,
    report: Report | None = None,
) -> LoadedModel:
    """Load the base that the preset names. `random_weights` takes only its shape.

    `packed`: with the second copy of the weights that makes a CPU fast, see `model.engine.packing`. Raises
    `CannotRun` or `LoadError`.
    """
    wait_briefly()
    import torch
    from transformers.utils import logging as transformers_logging

    from model.engine.packing import pack_linears

    transformers_logging.disable_progress_bar()
    hush()
    tell = report or (lambda progress: None)
    # More threads than cores, which a container's quota does not tell torch, make every step wait for the slowest.
    torch.set_num_threads(preset.engine.threads or min(torch.get_num_threads(), usable_cores()))
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
    _keep_4_bit_layers_plain(model)
    _check_forward(model)
    if packed:
        tell(Progress("Packing the weights"))
        pack_linears(model, this_machine().free_ram)
    return LoadedModel(preset, tokenizer, model, random_weights)


def hush() -> None:
    """bitsandbytes warns wherever it is imported of a kernel that only 4 bits on a CPU would use."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def adapter_folder(preset: Preset, adapter: Adapter) -> Path:
    """Where a preset's adapter lies; one on Hugging Face's hub is downloaded. Raises `LoadError`."""
    folder = preset.adapter_folder()
    if folder is not None:
        return folder
    from huggingface_hub import snapshot_download

    wanted = [CONFIG, WEIGHTS, METADATA, TEMPLATE]
    try:
        return Path(snapshot_download(adapter.repo or "", revision=adapter.revision, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise LoadError(f"{adapter.repo} could not be downloaded: {error}") from error


def _check_forward(model: Any) -> None:
    """Refuse a model whose layers another package has replaced in this process."""
    for part in model.modules():
        module = getattr(type(part).forward, "__module__", "") or ""
        if module.partition(".")[0].startswith("unsloth"):
            raise CannotRun(
                f"unsloth has replaced {type(part).__name__}'s forward in this process, and that one knows no "
                "continuous batching: serve from a process of its own, which does not import unsloth."
            )


def _keep_4_bit_layers_plain(model: Any) -> None:
    """Have bitsandbytes' layers compute in the model's dtype on every CPU.

    Where a CPU has AVX512-BF16 the first forward would rearrange the weights in place, for a kernel that computes in
    bfloat16, has no gradient, and cannot be begun by two engines over the same tensors at once.
    """
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def device() -> str:
    """Where models run: `cuda` where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(base: Base) -> Any:
    import torch

    if base.dtype != "auto":
        return getattr(torch, base.dtype)
    if device() == "cpu":
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
            device_map={"": device()},
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
    where = device()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.device(where):
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
        device_map={"": where},
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

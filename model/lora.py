"""LoRA in place: an adapter's weights checked against the base they are for, and put into a copy that shares its
tensors.

The copy's modules are its own, so that it runs beside the base and beside other adapters; the weights of the base are
in memory once. Of an adapter's settings only those are handed to PEFT that say how to apply the weights: some others
would have it change the base. Heavy imports are inside the functions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model.adapter_folder import WEIGHTS, AdapterFolder, LoraSettings
from model.engine.errors import AdapterRefused

_PREFIX = "base_model.model."
_ADAPTER = "default"
_LARGEST_HEADER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter in memory."""

    settings: LoraSettings
    weights: Mapping[str, tuple[Any, Any]]
    """Name of a module of the base → its A [rank, inputs] and B [outputs, rank]."""


def read_lora(folder: AdapterFolder, base: Any, *, highest_rank: int) -> Lora:
    """The adapter of this folder, on the base's device and in its dtype.

    Raises `AdapterRefused` where it is not for this base, not whole, or not of finite numbers.
    """
    if folder.lora.highest_rank > highest_rank:
        raise AdapterRefused(
            f"The adapter's rank is {folder.lora.highest_rank}, and this preset takes up to {highest_rank} "
            "(max_lora_rank)."
        )
    layers = _linear_layers(base)
    weights = _pair(_read_tensors(folder, layers, highest_rank), layers)
    _check_targets(folder, weights, layers)
    placed = {}
    for name, (a, b) in weights.items():
        rank = _of_module(folder.lora.rank_pattern, name, folder.lora.rank)
        expected = ((rank, layers[name].in_features), (layers[name].out_features, rank))
        if (tuple(a.shape), tuple(b.shape)) != expected:
            raise AdapterRefused(
                f"The adapter's weights for {name} have the shapes {list(a.shape)} and {list(b.shape)}; this base and "
                f"rank {rank} need {list(expected[0])} and {list(expected[1])}."
            )
        placed[name] = (_placed(a, base, name), _placed(b, base, name))
    return Lora(folder.lora, placed)


def put_in_place(base: Any, lora: Lora) -> Any:
    """A copy of the base with this adapter in place; the base's tensors are shared, not copied."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    settings = lora.settings
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        use_rslora=settings.rslora,
        rank_pattern=dict(settings.rank_pattern),
        alpha_pattern=dict(settings.alpha_pattern),
        target_modules=sorted(lora.weights),
        lora_dropout=0.0,
        init_lora_weights=False,
        inference_mode=True,
    )
    adapted = inject_adapter_in_model(config, shared_copy(base), _ADAPTER, low_cpu_mem_usage=True)
    for name, (a, b) in lora.weights.items():
        layer = adapted.get_submodule(name)
        layer.lora_A[_ADAPTER].weight = torch.nn.Parameter(a, requires_grad=False)
        layer.lora_B[_ADAPTER].weight = torch.nn.Parameter(b, requires_grad=False)
    return adapted.eval()


def take_out(adapted: Any, settings: LoraSettings) -> Lora:
    """The adapter of such a copy, in the CPU's memory."""
    layers = {name: layer for name, layer in adapted.named_modules() if hasattr(layer, "lora_A")}
    return Lora(
        settings,
        {
            name: (layer.lora_A[_ADAPTER].weight.data.cpu(), layer.lora_B[_ADAPTER].weight.data.cpu())
            for name, layer in layers.items()
        },
    )


def on_device(lora: Lora, base: Any) -> Lora:
    """The same adapter, on the device of the base."""
    return Lora(
        lora.settings, {name: (a.to(base.device), b.to(base.device)) for name, (a, b) in lora.weights.items()}
    )


def shared_copy(model: Any) -> Any:
    """A model whose modules are its own and whose tensors are those of `model`."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    # What bitsandbytes keeps beside its 4-bit weights: scales, mostly.
    states = (getattr(module, "quant_state", None) for module in model.modules())
    shared |= {id(state): state for state in states if state is not None}
    return copy.deepcopy(model, memo=dict(shared))


def _linear_layers(base: Any) -> dict[str, Any]:
    import torch

    return {name: layer for name, layer in base.named_modules() if isinstance(layer, torch.nn.Linear)}


def _read_tensors(folder: AdapterFolder, layers: Mapping[str, Any], highest_rank: int) -> dict[str, Any]:
    """All tensors of the file, read whole, so that nobody can change it afterwards."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    widths = sum(layer.in_features + layer.out_features for layer in layers.values())
    largest = 4 * highest_rank * widths + _LARGEST_HEADER
    try:
        with (folder.path / WEIGHTS).open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise AdapterRefused(
                f"{WEIGHTS} is larger than any adapter of rank {highest_rank} for this base."
            )
        tensors: dict[str, Any] = load(content)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise AdapterRefused(f"{WEIGHTS} is broken: {error}") from None
    return tensors


def _pair(tensors: Mapping[str, Any], layers: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """A and B of each module."""
    halves: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        name, _, half = key.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
        if not key.startswith(_PREFIX) or not key.endswith(".weight") or half not in {"lora_A", "lora_B"}:
            raise AdapterRefused(f"{WEIGHTS} has {key!r}, which is no weight of plain LoRA.")
        if name not in layers:
            raise AdapterRefused(
                f"The adapter is for a module {name}, and this base has no such linear layer."
            )
        halves.setdefault(name, {})[half] = tensor
    for name, pair in halves.items():
        if len(pair) < 2:
            raise AdapterRefused(f"{WEIGHTS} has only {next(iter(pair))} for {name}.")
    if not halves:
        raise AdapterRefused(f"{WEIGHTS} holds no weights.")
    return {name: (pair["lora_A"], pair["lora_B"]) for name, pair in halves.items()}


def _check_targets(folder: AdapterFolder, weights: Mapping[str, Any], layers: Mapping[str, Any]) -> None:
    """The file must have what the settings say, and the base must have it too."""
    for target in folder.target_modules:
        there = _named(target, layers)
        if not there:
            raise AdapterRefused(
                f"The adapter's target_modules has {target!r}, and this base has no such linear layer."
            )
        missing = [name for name in there if name not in weights]
        if missing and (folder.all_layers or len(missing) == len(there)):
            raise AdapterRefused(f"{WEIGHTS} has no weights for {missing[0]}, one of its target_modules.")


def _named(target: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name == target or name.endswith(f".{target}")]


def _of_module(pattern: Mapping[str, int], name: str, default: int) -> int:
    from peft.utils.other import get_pattern_key

    return pattern.get(get_pattern_key(list(pattern), name), default)


def _placed(tensor: Any, base: Any, name: str) -> Any:
    if not tensor.is_floating_point():
        raise AdapterRefused(
            f"The adapter's weights for {name} are {tensor.dtype}, which are no floating-point numbers."
        )
    placed = tensor.to(device=base.device, dtype=base.dtype).contiguous()
    if not bool(placed.isfinite().all()):
        raise AdapterRefused(f"The adapter's weights for {name} are not all finite numbers.")
    return placed

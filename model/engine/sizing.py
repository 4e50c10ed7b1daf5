"""How big the engine is: slots, KV cache and tokens per step, from the preset and the machine.

The KV cache is made of pages: room for the keys and values of one token in one group of layers. Arithmetic
only; the machine is looked at by whoever calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.engine.errors import CannotRun
from model.preset import EngineOptions

_USUAL_REQUEST = 1536
"""Tokens of prompt and answer that each slot is given room for on a CPU; longer ones take from their
neighbours."""
_CPU_SHARE = 0.25
"""Of the memory that is free on a CPU, what the cache may take."""
_GPU_SHARE = 0.8
"""Of the memory that is free on a GPU, what the caches and the engines' other tensors may take."""
_MOST = 0.95
"""Of the memory that is free on a GPU, what one engine may take."""
_READ_AGAIN = 2
"""transformers reckons with a step that reads a whole cache of full-length requests into a copy."""


@dataclass(frozen=True, slots=True)
class EngineSize:
    """The sizes that an engine runs with. None leaves the choice to transformers, which measures the GPU."""

    slots: int
    queue_limit: int
    block_size: int
    num_blocks: int | None
    max_batch_tokens: int | None
    max_memory_percent: float | None
    prefix_sharing: bool
    attend_by_request: bool
    gpu_memory: int | None = None
    """Bytes of the GPU for this engine's cache and other tensors; goes before `max_memory_percent`."""

    def memory_percent(self, free_gpu_memory: Callable[[], int]) -> float | None:
        """The share that transformers is to take of what is free on the GPU when the engine starts."""
        if self.gpu_memory is None:
            return self.max_memory_percent
        return min(_MOST, self.gpu_memory / max(1, free_gpu_memory()))


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What a model's KV cache is made of."""

    full_groups: int
    """Groups of layers that see the whole context."""
    sliding_groups: int
    window: int
    bytes_per_page: int

    @classmethod
    def of(cls, config: Any, bytes_per_value: int) -> CacheShape:
        """From a transformers configuration; layers are grouped as its continuous batching does."""
        kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
        full, sliding = kinds.count("full_attention"), kinds.count("sliding_attention")
        layers_per_group = math.gcd(full, sliding)
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        return cls(
            full_groups=full // layers_per_group,
            sliding_groups=sliding // layers_per_group,
            window=getattr(config, "sliding_window", None) or 0,
            bytes_per_page=2 * layers_per_group * heads * head_dim * bytes_per_value,
        )

    def blocks(self, tokens: int, block_size: int) -> int:
        """Blocks that a request of this many tokens takes."""
        full = math.ceil((tokens + 1) / block_size)
        sliding = min(full, math.ceil(self.window / block_size) + 1)
        return self.full_groups * full + self.sliding_groups * sliding


def engines_that_fit(
    options: EngineOptions,
    shape: CacheShape,
    context_length: int,
    *,
    on_gpu: bool,
    free_memory: int,
    wanted: int,
) -> int:
    """How many engines can share the memory so that each holds a request of full length: at most `wanted`, at
    least one. `free_memory`: bytes, of the GPU or of the CPU."""
    if options.num_blocks is not None:
        return wanted
    block_size = options.block_size or _block_size(on_gpu=on_gpu)
    full_length = shape.blocks(context_length, block_size) * block_size * shape.bytes_per_page
    share = (options.max_memory_percent or _GPU_SHARE) / _READ_AGAIN if on_gpu else _CPU_SHARE
    return max(1, min(wanted, int(free_memory * share) // full_length))


def size_engine(
    options: EngineOptions,
    shape: CacheShape,
    context_length: int,
    *,
    on_gpu: bool,
    free_memory: int,
    engines: int = 1,
) -> EngineSize:
    """Fill in what the preset leaves open. `free_memory`: bytes, of the GPU or of the CPU; `engines` share them evenly.

    Raises `CannotRun` where the cache could not hold one request of full length.
    """
    slots = options.slots or (64 if on_gpu else 16)
    block_size = options.block_size or _block_size(on_gpu=on_gpu)
    num_blocks = options.num_blocks
    needed = shape.blocks(context_length, block_size)
    if num_blocks is None and not on_gpu:
        usual = slots * shape.blocks(min(context_length, _USUAL_REQUEST), block_size)
        affordable = int(free_memory * _CPU_SHARE) // (engines * shape.bytes_per_page * block_size)
        num_blocks = min(max(needed, usual), affordable)
    if num_blocks is not None and num_blocks < needed:
        raise CannotRun(
            f"A request of {context_length} tokens needs {needed} blocks of the KV cache and there are "
            f"{num_blocks}: lower the preset's context_length, or give the machine more free memory."
        )
    return EngineSize(
        slots=slots,
        queue_limit=4 * slots if options.queue_limit is None else options.queue_limit,
        block_size=block_size,
        num_blocks=num_blocks,
        max_batch_tokens=options.max_batch_tokens or (None if on_gpu else 256),
        max_memory_percent=options.max_memory_percent,
        prefix_sharing=options.prefix_sharing,
        attend_by_request=not on_gpu if options.attention is None else options.attention == "by-request",
        gpu_memory=int(free_memory * (options.max_memory_percent or _GPU_SHARE)) // engines
        if on_gpu
        else None,
    )


def _block_size(*, on_gpu: bool) -> int:
    # On a GPU with flash attention the fast decode path wants blocks of 256.
    return 256 if on_gpu else 32

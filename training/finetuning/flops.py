"""Model FLOP utilisation: which share of what the machine can multiply goes into the model.

Counted is what LoRA training has to do: forward through every linear layer, backward through them for the
activations (the frozen weights have no gradient), three times the adapter's own products, attention as far as
each layer sees, and the output layer for the learnt tokens over the vocabulary that the loss goes over. What is
computed again (gradient checkpointing) does not count as useful.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """What was trained on, in tokens."""

    tokens: int = 0
    """Of the examples, as if each had been taken by itself."""
    computed: int = 0
    """That went through the model: padding counts, a shared prefix counts once."""
    learnt: int = 0
    pairs: int = 0
    """Of queries and keys in attention, causal."""
    near: int = 0
    """Those of them that a layer with a sliding window computes."""

    def add(self, other: Tally) -> None:
        self.tokens += other.tokens
        self.computed += other.computed
        self.learnt += other.learnt
        self.pairs += other.pairs
        self.near += other.near


@dataclass(frozen=True, slots=True)
class Costs:
    """Floating point operations of a training step, by what they are spent for."""

    a_token: float
    a_learnt_token: float
    a_pair: float
    """In the layers that see everything before a token."""
    a_near_pair: float
    """In those with a sliding window."""
    window: int | None
    """Tokens that these see, the token itself among them; None where there are no such layers."""

    @classmethod
    def of(cls, model: Any, vocabulary: int) -> Costs:
        """The costs of a PEFT model whose loss goes over so many tokens of the vocabulary."""
        frozen = adapter = 0
        for name, module in model.named_modules():
            size = getattr(module, "in_features", 0) * getattr(module, "out_features", 0)
            if ".lora_A." in name or ".lora_B." in name:
                adapter += size
            elif not name.endswith("lm_head") and not hasattr(module, "base_layer"):
                frozen += size
        config = model.config.get_text_config()
        width = config.num_attention_heads * (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        kinds = getattr(config, "layer_types", None) or []
        sliding = kinds.count("sliding_attention")
        a_pair = 3 * 4 * width
        return cls(
            a_token=4 * frozen + 6 * adapter,
            a_learnt_token=4 * vocabulary * config.hidden_size,
            a_pair=a_pair * (config.num_hidden_layers - sliding),
            a_near_pair=a_pair * sliding,
            window=config.sliding_window if sliding else None,
        )

    def total(self, tally: Tally) -> float:
        """Of all that was tallied."""
        attention = tally.pairs * self.a_pair + tally.near * self.a_near_pair
        return tally.computed * self.a_token + tally.learnt * self.a_learnt_token + attention


def causal_pairs(length: int, window: int | None = None) -> int:
    """Of queries and keys in so many tokens, each of which sees itself and those before it, as far as the window."""
    hidden = max(length - window, 0) if window else 0
    return (length * (length + 1) - hidden * (hidden + 1)) // 2


@dataclass(slots=True)
class Stopwatch:
    """Seconds of training, with pauses for evaluations and checkpoints."""

    seconds: float = 0.0
    _since: float | None = field(default=None)

    def start(self) -> None:
        self._since = time.perf_counter()

    def stop(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None

    def lap(self) -> float:
        """Seconds since the last lap."""
        self.stop()
        seconds, self.seconds = self.seconds, 0.0
        self.start()
        return seconds


def peak_flops(device: Any, dtype: str) -> float | None:
    """What the device can do in a second: a GPU's from TRL's table, a CPU's measured on a matrix product."""
    import torch

    if device.type == "cuda":
        from trl.trainer.utils import get_peak_flops

        known: float | None = get_peak_flops(torch.cuda.get_device_name(device), dtype)
        return known
    if device.type != "cpu":
        return None
    left, right = torch.rand(1024, 1024), torch.rand(1024, 1024)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - began)
    return 2 * 1024**3 / best


def peak_memory() -> int:
    """The most memory in bytes that this process has had: the GPU's where there is one, else its own."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
        import sys
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

"""Weights in the layout that oneDNN multiplies fastest, for generating on a CPU.

torch hands a linear layer's weight to MKL as it lies, which lays it out anew at every call; with the few rows of a
step that takes longer than the multiplication. Done once and kept, it makes such steps two to four times as fast. The
plain weight stays, since adapters, embeddings and copies want it. Imports torch.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn

log = logging.getLogger("model.engine")

_ROWS = 16
"""For how many rows the layout is chosen; it is as good for fewer and for more."""
_LARGE = 2**23
"""Entries from which a packed weight is the better one for a single row too. A smaller one torch takes at once on one
core, sooner than two could agree to."""
_SHARE = 0.3
"""Of the free memory, what the second copies may take."""


class PackedLinear(nn.Linear):
    """A linear layer with a second, packed copy of its weight. `pack_linears` makes it of a plain one in place."""

    packed: torch.Tensor
    """Opaque; a buffer, so that copies of the model share it as they share the weight."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        lone = input.numel() == self.in_features and self.weight.numel() < _LARGE
        if lone or torch.is_grad_enabled() or input.dtype != torch.float32:
            return super().forward(input)
        output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            input, self.packed, self.bias, "none", [], ""
        )
        return output


def pack_linears(model: Any, free_memory: int) -> int:
    """Pack the float32 linear layers of a model on a CPU, and return how many there were.

    Does nothing where oneDNN is missing or the copies would not fit well into `free_memory`, in bytes.
    """
    if model.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return 0
    layers = [
        layer
        for layer in model.modules()
        # Subclasses have ways of their own.
        if type(layer) is nn.Linear and layer.weight.dtype == torch.float32
    ]
    needed = sum(layer.weight.nbytes for layer in layers)
    if needed > _SHARE * free_memory:
        log.info("no memory for packed weights: %d MiB are needed", needed // 2**20)
        return 0
    for layer in layers:
        packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)
        layer.register_buffer("packed", packed, persistent=False)
        layer.__class__ = PackedLinear
    return len(layers)

"""Attention over packs: every segment sees the shared tokens and itself, and is computed by itself.

Registered with transformers as the attention implementation `packed`; every batch brings its layout as the
keyword argument `packs`. There is no mask of the whole row: a segment is taken in slices of its queries, each
against the keys that it can see, so that what a causal mask or a sliding window hides is not computed either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from training.finetuning.packing import Layout

IMPLEMENTATION = "packed"
_SLICE = {"cpu": 128}
_LARGE_SLICE = 1024
"""Queries taken at once. Measured on a CPU with Gemma 3 270M: 128 to 512 differ by a fifth. A GPU wants more work at a
time."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Queries `rows` of the pack against keys in `keys`, two ranges that follow one another."""

    rows: tuple[int, int]
    keys: tuple[tuple[int, int], ...]
    mask: Any
    """Which query sees which key, as truth values; in the end as what is added to their scores."""


def register() -> None:
    """Make `packed` known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(IMPLEMENTATION, packed_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, _no_mask)


def _no_mask(*_: Any, **__: Any) -> None:
    """The slices have masks of their own."""


def packed_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    packs: Layout,
    sliding_window: int | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Any, None]:
    """As transformers' attention functions: `(1, heads, tokens, size)` in, `(1, tokens, heads, size)` out."""
    import torch

    kinds = key.shape[1]
    groups = query.shape[1] // kinds
    out = []
    for step in _steps(packs, sliding_window, groups, query.dtype, str(query.device)):
        keys, values = (
            _joined([whole[:, :, begin:end] for begin, end in step.keys]) for whole in (key, value)
        )
        # Heads that share keys stand one after the other as rows of one head, so that no key is copied.
        queries = query[:, :, step.rows[0] : step.rows[1]]
        rows = queries.unflatten(1, (kinds, groups)).flatten(2, 3)
        found: Any = torch.nn.functional.scaled_dot_product_attention(
            rows, keys, values, attn_mask=step.mask, dropout_p=dropout, scale=scaling
        )
        out.append(found.unflatten(2, (groups, -1)).flatten(1, 2))
    return torch.cat(out, dim=2).transpose(1, 2), None


def _joined(parts: list[Any]) -> Any:
    import torch

    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


@lru_cache(maxsize=8)
def _steps(packs: Layout, window: int | None, groups: int, dtype: Any, device: str) -> tuple[_Step, ...]:
    """How a pack is computed: the same for all layers that have this window. Masks are for `groups` heads."""
    size = _SLICE.get(device.partition(":")[0], _LARGE_SLICE)
    steps = list(_causal(0, packs.prefix, 0, window, size, device))
    for begin, end in packs.segments:
        steps += _causal(begin, end, packs.prefix, window, size, device)
    # Added to the scores: torch would turn truth values into this anew in every layer.
    return tuple(replace(step, mask=step.mask.to(dtype).log_().repeat(groups, 1)) for step in steps)


def _causal(begin: int, end: int, prefix: int, window: int | None, size: int, device: str) -> Iterator[_Step]:
    """Slices of the segment from begin to end, which stands behind `prefix` tokens at the row's start.

    Positions count from the row's start: of a segment's token at `i` it is `prefix + i - begin`.
    """
    import torch

    for first in range(begin, end, size):
        last = min(first + size, end)
        position = prefix + first - begin
        hidden = max(position - window + 1, 0) if window else 0
        keys = ((min(hidden, prefix), prefix), (begin + max(hidden - prefix, 0), last))
        # Made on the device, where they are needed: they are large.
        queries = torch.arange(position, position + last - first, device=device)
        known = torch.arange(hidden, position + last - first, device=device)
        distance = queries[:, None] - known[None, :]
        mask = distance >= 0
        if window:
            mask &= distance < window
        yield _Step((first, last), tuple(part for part in keys if part[0] < part[1]), mask)

"""Attention over the paged KV cache without a fused kernel: each request attends to its own keys only.

transformers' way for where flash attention is missing puts the keys of all requests side by side and masks those
of the others, which costs the square of the batch, and copies the keys once for each query head. Here the requests
are rows of one padded batch while all of them generate, and are taken one by one while a prompt is read.
Imports torch and transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "paged|ragged"
"""The implementation's name among transformers' own; `paged|` marks those for continuous batching."""

_PLAIN = "sdpa"

_WORTH_PADDING = 2.0
"""Keys of the padded batch to real ones, up to which padding is cheaper than one call for each request."""


def attend_by_request(model: Any) -> bool:
    """Have a model attend so where it would use torch's attention. Says whether it does now."""
    if model.config._attn_implementation not in {_PLAIN, NAME}:
        return False
    AttentionInterface.register(NAME, ragged_attention)
    model.set_attn_implementation(NAME)
    return True


def attend_plainly(model: Any) -> None:
    """Undo `attend_by_request`, for `generate` and whatever else has no paged cache."""
    if model.config._attn_implementation == NAME:
        model.set_attn_implementation(_PLAIN)


def ragged_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **batch: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function as transformers calls it, with continuous batching's arguments in `batch`.

    `query` is [1, heads, tokens, head size], `key` and `value` the same with fewer heads; the tokens are those of
    all requests, one request after the other. The answer is [1, tokens, heads, head size].
    """
    step, layer = _Step.of(batch), int(module.layer_idx)  # type: ignore[arg-type]
    cache = batch["cache"]
    group, place = cache.layer_index_to_group_indices[layer]
    window = cache.sliding_windows[layer]
    rows = step.rows(group, window)
    if rows is None:
        keys, values = cache.update(key, value, layer, batch["read_index"], batch["write_index"])
        return step.mixed(query[0], keys, values, window, scaling), None
    keys, values = cache.key_cache[place], cache.value_cache[place]
    written = batch["write_index"][group]
    keys.index_copy_(0, written, key[0].transpose(0, 1))
    values.index_copy_(0, written, value[0].transpose(0, 1))
    return rows.attend(query[0], keys, values, scaling), None


_Span = tuple[int, int]


def _worth_padding(lengths: Sequence[int]) -> bool:
    """Whether requests with so many keys are better taken as rows of one batch than one by one."""
    return max(lengths) * len(lengths) <= _WORTH_PADDING * sum(lengths)


class _Rows:
    """The requests as rows of one batch, each with one new token."""

    def __init__(self, lengths: list[int], read: torch.Tensor, written: torch.Tensor, trash: int) -> None:
        """`lengths`: keys of each request. `read`: their places in the cache, one request after the other."""
        self._count, self._longest = len(lengths), max(lengths)
        counts = torch.tensor(lengths, device=read.device)
        self._mask: torch.Tensor | None = None
        if min(lengths) < self._longest:
            real = torch.arange(self._longest, device=read.device) < counts.unsqueeze(-1)
            places = torch.full(real.shape, trash, dtype=read.dtype, device=read.device)
            places[real] = read
            self._mask = real[:, None, None, :]
        else:
            places = read.view(self._count, self._longest).clone()
        # A sliding window's list has a mark for the new token, which is the last one, in place of where it is.
        places[torch.arange(self._count, device=read.device), counts - 1] = written
        self._places = places.flatten()

    def attend(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        """`query` is [heads, requests, head size], `keys` and `values` the whole cache of one layer."""
        heads, _, size = query.shape
        kv_heads = keys.shape[1]
        shape = (self._count, self._longest, kv_heads, size)
        # The heads that share their keys are as many queries of one head, so that no key is copied for them.
        output = scaled_dot_product_attention(
            query.transpose(0, 1).reshape(self._count, kv_heads, heads // kv_heads, size),
            keys.index_select(0, self._places).view(shape).transpose(1, 2),
            values.index_select(0, self._places).view(shape).transpose(1, 2),
            attn_mask=self._mask,
            scale=scaling,
        )
        return output.reshape(1, self._count, heads, size)


class _Step:
    """What the layers of one step have in common: who reads and writes what in the cache."""

    _last: ClassVar[WeakKeyDictionary[Any, _Step]] = WeakKeyDictionary()
    """By cache, since every engine has its own."""

    def __init__(self, batch: dict[str, Any]) -> None:
        # Not the cache itself: it would never be freed, being the key under which this is kept.
        self._trash: int = batch["cache"].read_trash_index
        self.read: list[torch.Tensor] = batch["read_index"]
        self._written: list[torch.Tensor] = batch["write_index"]
        self._query_ends: list[int] = batch["cu_seq_lens_q"].tolist()
        self._key_ends = batch["cu_seq_lens_k"]
        self._generating = self._query_ends[-1] == len(self._query_ends) - 1
        self._rows: dict[int, _Rows | None] = {}
        self._plans: dict[int, tuple[tuple[torch.Tensor, _Rows] | None, list[tuple[_Span, _Span]]]] = {}
        self._masks: dict[tuple[int, int, int], torch.Tensor] = {}

    @classmethod
    def of(cls, batch: dict[str, Any]) -> _Step:
        """The step that these arguments are of, made by its first layer."""
        step = cls._last.get(batch["cache"])
        if step is None or step.read is not batch["read_index"]:
            step = cls._last[batch["cache"]] = cls(batch)
        return step

    def rows(self, group: int, window: int) -> _Rows | None:
        """The padded batch of a group of layers; None where the requests are to be taken one by one."""
        if not self._generating or not self.read[group].numel():
            return None
        if group not in self._rows:
            lengths = [end - begin for begin, end in pairwise(self._ends(window))]
            self._rows[group] = None
            if _worth_padding(lengths):
                self._rows[group] = _Rows(lengths, self.read[group], self._written[group], self._trash)
        return self._rows[group]

    def mixed(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        window: int,
        scaling: float | None,
    ) -> torch.Tensor:
        """`query` is [heads, tokens, head size], `keys` and `values` [tokens, heads, head size] of all requests.

        Those that read their prompt are taken one by one, those that generate as the rows of one batch.
        """
        heads, tokens, size = query.shape
        kv_heads = keys.shape[1]
        grouped = query.view(kv_heads, heads // kv_heads, tokens, size)
        output = torch.empty(1, tokens, heads, size, dtype=query.dtype, device=query.device)
        batch, singly = self._plan(window)
        if batch is not None:
            places, rows = batch
            output[:, places] = rows.attend(query[:, places], keys, values, scaling)
        for (begin, end), (first_key, last_key) in singly:
            mask, causal = self._causality(end - begin, last_key - first_key, window, query.device)
            shape = (kv_heads, heads // kv_heads, last_key - first_key, size)
            attended = scaled_dot_product_attention(
                grouped[:, :, begin:end],
                keys[first_key:last_key].transpose(0, 1).unsqueeze(1).expand(shape),
                values[first_key:last_key].transpose(0, 1).unsqueeze(1).expand(shape),
                attn_mask=mask,
                is_causal=causal,
                scale=scaling,
            )
            output[0, begin:end] = attended.flatten(0, 1).transpose(0, 1)
        return output

    def _plan(self, window: int) -> tuple[tuple[torch.Tensor, _Rows] | None, list[tuple[_Span, _Span]]]:
        """The queries of a batch with its rows, where there is to be one, and the spans of queries and keys that are
        taken one by one. The same for all layers with this window."""
        if window not in self._plans:
            spans = list(zip(pairwise(self._query_ends), pairwise(self._ends(window)), strict=True))
            single = [(begin, keys) for (begin, end), keys in spans if end - begin == 1]
            lengths = [last - first for _, (first, last) in single]
            batch = None
            if len(single) > 1 and _worth_padding(lengths):
                device = self._written[0].device
                read = torch.cat([torch.arange(*keys, device=device) for _, keys in single])
                last = torch.tensor([last - 1 for _, (_, last) in single], device=device)
                queries = torch.tensor([begin for begin, _ in single], device=device)
                batch = queries, _Rows(lengths, read, last, single[0][1][0])
                spans = [span for span in spans if span[0][1] - span[0][0] > 1]
            self._plans[window] = batch, spans
        return self._plans[window]

    def _ends(self, window: int) -> list[int]:
        """Where each request's keys end among those of all, for layers with this sliding window (1 is none)."""
        ends = self._key_ends
        if isinstance(ends, dict):
            ends = ends["full_attention" if window == 1 else "sliding_attention"]
        return ends.tolist()  # type: ignore[no-any-return]

    def _causality(
        self, queries: int, keys: int, window: int, device: torch.device
    ) -> tuple[torch.Tensor | None, bool]:
        """The mask of a request whose queries are the last of its keys, and whether plain causality says it all."""
        if queries == 1:
            return None, False
        if queries == keys and (window == 1 or queries <= window):
            return None, True
        shape = (queries, keys, window)
        if shape not in self._masks:
            own = torch.arange(keys - queries, keys, device=device).unsqueeze(-1)
            other = torch.arange(keys, device=device)
            seen = other <= own
            self._masks[shape] = seen if window == 1 else seen & (other > own - window)
        return self._masks[shape], False

"""From examples to the tensors of a batch: packed into one row, or padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from training.finetuning.examples import Example
from training.finetuning.flops import Tally, causal_pairs
from training.finetuning.packing import IGNORED, lay_out


@dataclass(frozen=True, slots=True)
class Weights:
    """How much a token of the loss counts: one that closes an answer, and any other. They are 1 on average."""

    closing: float
    other: float

    @classmethod
    def of(cls, examples: Sequence[Example], closing: float) -> Weights | None:
        """For these examples, with a token that closes an answer weighing so many times as much; None for 1."""
        if closing == 1:
            return None
        heavy = sum(
            marked and learnt
            for each in examples
            for marked, learnt in zip(each.closing, each.learn, strict=True)
        )
        learnt = sum(each.learnt for each in examples)
        other = learnt / (learnt + (closing - 1) * heavy)
        return cls(closing * other, other)


@dataclass(frozen=True, slots=True)
class PackedBatches:
    """A collator: `{"rows": [places]}` in, one pack out.

    `with_layout` is for our own attention; others (unsloth's) tell the examples apart by their positions, and
    know nothing of shared tokens.
    """

    examples: Sequence[Example]
    share_prefix: bool
    with_layout: bool = True
    weights: Weights | None = None

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        examples = [self.examples[place] for row in rows for place in row["rows"]]
        pack = lay_out(examples, share_prefix=self.share_prefix)
        batch: dict[str, Any] = {
            "input_ids": torch.tensor([pack.ids]),
            "labels": torch.tensor([pack.labels]),
            "position_ids": torch.tensor([pack.positions]),
        }
        if self.weights:
            batch["weights"] = _weigh(torch.tensor([pack.closing]), self.weights)
        return {**batch, "packs": pack.layout} if self.with_layout else batch


@dataclass(frozen=True, slots=True)
class PaddedBatches:
    """A collator: `{"rows": [places]}` in, a row for each example out, padded at its end."""

    examples: Sequence[Example]
    pad: int
    weights: Weights | None = None

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        examples = [self.examples[place] for row in rows for place in row["rows"]]
        longest = max(len(example.ids) for example in examples)
        ids = torch.full((len(examples), longest), self.pad)
        labels = torch.full((len(examples), longest), IGNORED)
        mask = torch.zeros((len(examples), longest), dtype=torch.long)
        closing = torch.zeros((len(examples), longest), dtype=torch.bool)
        for row, example in enumerate(examples):
            length = len(example.ids)
            ids[row, :length] = torch.tensor(example.ids)
            mask[row, :length] = 1
            learn = torch.tensor(example.learn)
            labels[row, :length] = torch.where(learn, ids[row, :length], IGNORED)
            closing[row, :length] = torch.tensor(example.closing)
        batch = {"input_ids": ids, "labels": labels, "attention_mask": mask}
        return {**batch, "weights": _weigh(closing, self.weights)} if self.weights else batch


def _weigh(closing: Any, weights: Weights) -> Any:
    """Of each token how much it counts."""
    import torch

    return torch.where(closing, weights.closing, weights.other)


def tally(batch: dict[str, Any], window: int | None = None) -> Tally:
    """What a batch of either kind holds. `window`: of the layers that see so many tokens alone."""
    learnt = int((batch["labels"][:, 1:] != IGNORED).sum())
    computed = batch["input_ids"].numel()
    packs = batch.get("packs")
    prefix = packs.prefix if packs else 0
    lengths = [prefix + end - begin for begin, end in packs.segments] if packs else _lengths(batch)

    def pairs(seen: int | None) -> int:
        shared = causal_pairs(prefix, seen)
        return shared + sum(causal_pairs(length, seen) - shared for length in lengths)

    return Tally(sum(lengths), computed, learnt, pairs(None), pairs(window))


def _lengths(batch: dict[str, Any]) -> list[int]:
    """The examples' lengths, by the mask of padded rows or by positions that begin anew."""
    if "attention_mask" in batch:
        return [int(length) for length in batch["attention_mask"].sum(dim=1)]
    positions = batch["position_ids"][0]
    begins = [*(positions == 0).nonzero()[:, 0].tolist(), len(positions)]
    return [end - begin for begin, end in pairwise(begins)]

"""Packs: several examples computed as one row of tokens, without padding and without seeing each other.

A pack begins with the tokens that all its examples begin with (the system prompt), once; then comes each
example's own part, a segment, at the positions that it would have by itself. Attention goes from a segment to
the shared tokens and to the segment itself (`training.finetuning.attention`), so that losses and gradients
are those of the examples taken one by one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice, takewhile

from training.finetuning.examples import Example
from training.finetuning.recipe import Packing

IGNORED = -100
"""The label of a token that the loss is not about, as torch and transformers have it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a pack's segments are, from begin to end, behind `prefix` shared tokens."""

    prefix: int
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Examples laid out as one row."""

    ids: list[int]
    labels: list[int]
    """Of each token what it is itself where it is learnt, else IGNORED: the loss shifts them."""
    positions: list[int]
    closing: list[bool]
    """Whether it closes an answer, see `Example.closing`."""
    layout: Layout


def lay_out(examples: Sequence[Example], *, share_prefix: bool) -> Pack:
    """The pack of these examples."""
    prefix = shared_prefix(examples) if share_prefix and len(examples) > 1 else 0
    ids, labels, closing = examples[0].ids[:prefix], [IGNORED] * prefix, [False] * prefix
    positions = list(range(prefix))
    segments = []
    for example in examples:
        begin = len(ids)
        ids += example.ids[prefix:]
        closing += example.closing[prefix:]
        labels += [
            token if learnt else IGNORED
            for token, learnt in zip(example.ids[prefix:], example.learn[prefix:], strict=True)
        ]
        # The token before a segment in the row is not the one before it in its example.
        labels[begin] = IGNORED
        positions += range(prefix, len(example.ids))
        segments.append((begin, len(ids)))
    return Pack(ids, labels, positions, closing, Layout(prefix, tuple(segments)))


def shared_prefix(examples: Sequence[Example]) -> int:
    """Tokens that all of them begin with, ending early enough that each learns from its own segment alone."""
    columns = zip(*(example.ids for example in examples), strict=False)
    common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return max(min(common, *(example.first_learnt - 1 for example in examples)), 0)


def plan(
    examples: Sequence[Example], packing: Packing, *, epochs: float, seed: int, multiple: int = 1
) -> list[list[int]]:
    """The packs of a whole run in their order, each a list of places in `examples`.

    Every epoch is shuffled and packed anew. `multiple`: the packs that one step takes, on all devices. Each
    epoch is cut into a whole number of steps where it has the examples for that; where it has not, its last
    packs share a step with the next epoch's first, and the run's last step is filled up with its first packs,
    so that no step is smaller than it should be and nothing is left out.
    Where epochs end in a fraction, the last one has that share of its steps.
    """
    packs: list[list[int]] = []
    for epoch in range(int(epochs) + (epochs % 1 > 0)):
        order = list(range(len(examples)))
        random.Random(f"{seed} {epoch}").shuffle(order)
        bins = _whole_steps(_first_fit(order, examples, packing), multiple)
        share = epochs - epoch
        packs += bins if share >= 1 else bins[: max(round(len(bins) / multiple * share), 1) * multiple]
    return packs + list(islice(cycle(packs), -len(packs) % multiple))


def _first_fit(order: Sequence[int], examples: Sequence[Example], packing: Packing) -> list[list[int]]:
    """Each example into the first pack that has room for it."""
    prefix = shared_prefix(examples) if packing.share_prefix and len(examples) > 1 else 0
    bins: list[list[int]] = []
    room: list[int] = []
    for place in order:
        size = len(examples[place].ids) - prefix
        fitting = next((number for number, left in enumerate(room) if size <= left), None)
        if fitting is None:
            bins.append([place])
            room.append(packing.tokens - prefix - size)
        else:
            bins[fitting].append(place)
            room[fitting] -= size
    return bins


def _whole_steps(bins: list[list[int]], multiple: int) -> list[list[int]]:
    """The same examples in a number of packs that `multiple` divides, by halving the fullest ones.

    Where there are fewer examples than that takes, each example has a pack to itself.
    """
    examples = sum(map(len, bins))
    bins = list(bins)
    while len(bins) % multiple and len(bins) < examples:
        fullest = max(range(len(bins)), key=lambda number: len(bins[number]))
        whole = bins[fullest]
        bins[fullest : fullest + 1] = [whole[: len(whole) // 2], whole[len(whole) // 2 :]]
    return bins


def in_packs(examples: Sequence[Example], packing: Packing) -> list[list[int]]:
    """Packs of all examples once, in their order as far as it goes: for evaluation."""
    return _first_fit(range(len(examples)), examples, packing)

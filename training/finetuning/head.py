"""The loss: hidden states of the learnt tokens alone go through the language model head, a slice at a time.

The logits of Gemma's 262,144 tokens never stand in memory together. The head is frozen, as everywhere with
LoRA, so the gradient of the hidden states is all that is wanted; it is worked out with the loss, while the
slice's logits are there, and backward only scales it.

TRL's own fused head is made of Triton kernels, which need a GPU; this one runs anywhere. Imports torch: import it
inside a function.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import torch

from training.finetuning.errors import FinetuningError
from training.finetuning.packing import IGNORED

_SLICE_FLOATS = 2**26
"""Logits that stand in memory at once: 256 MiB in 32 bits."""


class Vocabulary:
    """The part of the vocabulary that the training loss is normalised over; see `recipe.Loss.negatives`."""

    def __init__(self, known: set[int], size: int, negatives: int) -> None:
        """`known`: the ids that occur in the data. Of the others, so many are drawn for every batch."""
        self.known = torch.tensor(sorted(known))
        """In rising order."""
        self.place = torch.full((size,), -1)
        """Of every id its place in `known`."""
        self.place[self.known] = torch.arange(len(self.known))
        self.others = (self.place < 0).nonzero()[:, 0]
        self.negatives = min(negatives, len(self.others))
        self._copied: tuple[torch.Tensor, torch.Tensor] | None = None

    def __len__(self) -> int:
        """How many tokens the loss goes over."""
        return len(self.known) + self.negatives

    def draw(self) -> torch.Tensor:
        """Other ids, none of them twice, from torch's global generator (which checkpoints keep)."""
        return self.others[torch.randperm(len(self.others))[: self.negatives]]

    def rows(self, weight: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The head's rows for the known ids and the drawn ones, and what is added to their logits.

        Each of the drawn stands for as many others as there are for one.
        """
        if self._copied is None or self._copied[0] is not weight:
            # The same in every batch, so copied once.
            self._copied = (weight, weight[self.known.to(weight.device)])
        rows = torch.cat([self._copied[1], weight[drawn.to(weight.device)]])
        offset = weight.new_zeros(len(rows), dtype=torch.float32)
        if len(drawn):
            offset[len(self.known) :] = torch.tensor(len(self.others) / len(drawn)).log()
        return rows, offset


class _TokenLosses(torch.autograd.Function):
    """Of each slice: logits, log-sum-exp, and, where wanted, softmax minus one-hot times the head."""

    @staticmethod
    def forward(context: Any, hidden: Any, weight: Any, offset: Any, targets: Any) -> Any:
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if context.needs_input_grad[0] else None
        step = max(_SLICE_FLOATS // len(weight), 1)
        for begin in range(0, len(hidden), step):
            part = slice(begin, begin + step)
            logits = torch.mm(hidden[part].to(weight.dtype), weight.t()).float()
            if offset is not None:
                logits += offset
            at_target = targets[part, None]
            likely = logits.gather(1, at_target)[:, 0]
            largest = logits.amax(dim=1, keepdim=True)
            likelihoods = logits.sub_(largest).exp_()
            sums = likelihoods.sum(dim=1, keepdim=True)
            losses[part] = (sums.log() + largest)[:, 0] - likely
            if gradient is not None:
                likelihoods /= sums
                likelihoods.scatter_add_(1, at_target, -torch.ones_like(sums))
                gradient[part] = torch.mm(likelihoods.to(weight.dtype), weight).to(gradient.dtype)
        context.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(context: Any, *scales: Any) -> Any:
        (gradient,) = context.saved_tensors
        return gradient * scales[0].to(gradient.dtype)[:, None], None, None, None


def token_losses(
    hidden: torch.Tensor, head: Any, targets: torch.Tensor, vocabulary: Vocabulary | None = None
) -> torch.Tensor:
    """The negative log-likelihood of each of `targets` (n) given `hidden` (n × width), with gradient.

    `head` is the frozen output layer. With a `vocabulary` it is an estimate: the tokens that are not drawn
    are represented by those that are. Raises `FinetuningError` for a head that is more than a matrix.
    """
    if getattr(head, "bias", None) is not None or head.weight.requires_grad:
        raise FinetuningError("the output layer is trained or has a bias, which this loss does not know")
    weight, offset = head.weight, None
    if vocabulary is not None:
        weight, offset = vocabulary.rows(weight, vocabulary.draw())
        targets = vocabulary.place.to(targets.device)[targets]
    losses: torch.Tensor = _TokenLosses.apply(hidden, weight, offset, targets)  # type: ignore[no-untyped-call]
    return losses


def add_loss(model: Any, vocabulary: Vocabulary | None = None) -> None:
    """Let `model(labels=…, learnt_losses=True, …)` return the losses of the learnt tokens, without logits.

    `model` is a transformers causal model. Through its forward, because what wraps it (PEFT, DDP) must see the
    call. The `vocabulary` counts while the model trains; evaluation always has the full one.
    """
    plain = model.forward
    if getattr(model.config, "final_logit_softcapping", None):
        raise FinetuningError("this model caps its logits, which this loss does not know")

    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, learnt_losses: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not learnt_losses:
            return plain(*args, **kwargs) if labels is None else plain(*args, labels=labels, **kwargs)
        kwargs["use_cache"] = False
        hidden = self.base_model(*args, **kwargs).last_hidden_state[:, :-1]
        targets = labels[:, 1:]
        learnt = targets != IGNORED
        part = vocabulary if self.training else None
        return token_losses(hidden[learnt], self.get_output_embeddings(), targets[learnt], part)

    model.forward = types.MethodType(forward, model)
    model.has_learnt_losses = True

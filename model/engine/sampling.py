"""Choosing the next token, per request, for a whole batch: penalties, temperature, top-k, top-p, seed.

One processor takes the place of those that transformers has for continuous batching. Theirs sort the whole
vocabulary twice for each token (262,144 entries for Gemma), know no penalties, and share one random state.
Each random number here is drawn from (seed, position), so an answer does not depend on its neighbours in the
batch. Imports torch.
"""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
)

from model.engine.base import Sampling

_CANDIDATES = 512
"""How many of the likeliest tokens are looked at where only top-p limits them, before all of them are."""

_CHUNK = 64

_PLACES = 64

_STEEPEST = 40
"""DRY's penalty grows no further from this many tokens beyond the allowed length: no score survives it anyway."""

_COLDEST = 0.01
"""Temperatures below this would overflow; 0 is greedy and does not come here."""


@dataclass(slots=True)
class Repeats:
    """A text that grows token by token, and where its end stood in it before."""

    tokens: array[int] = field(default_factory=lambda: array("q"))
    _places: dict[int, deque[int]] = field(default_factory=dict)
    """Where each token stood, its last `_PLACES` times: so the work for a token is bounded, whatever the text."""
    _matches: dict[int, int] = field(default_factory=dict)
    """Of earlier places of the last token how many tokens up to there are the text's last ones."""

    def add(self, token: int) -> None:
        """One more token."""
        places = self._places.setdefault(token, deque(maxlen=_PLACES))
        self._matches = {place: self._matches.get(place - 1, 0) + 1 for place in places}
        places.append(len(self.tokens))
        self.tokens.append(token)

    def continuations(self, shortest: int) -> dict[int, int]:
        """The tokens that followed on the text's last ones before, with how many those were, at least `shortest`."""
        found: dict[int, int] = {}
        for place, length in self._matches.items():
            if length >= shortest:
                following = self.tokens[place + 1]
                found[following] = max(found.get(following, 0), length)
        return found


@dataclass(slots=True)
class SamplingState:
    """How one request samples, and which tokens it has seen so far."""

    sampling: Sampling
    prompt_length: int
    line_breaks: frozenset[int] = frozenset()
    """The tokens that are line breaks and nothing else, for `Sampling.penalize_nl`."""
    seed: int = field(default=0)
    tokens: array[int] = field(default_factory=lambda: array("q"))
    """The tokens of prompt and answer, each once …"""
    counts: array[int] = field(default_factory=lambda: array("q"))
    """… and how often each was generated; 0 for one that stood in the prompt only."""
    repeats: Repeats = field(default_factory=Repeats)
    """Of prompt and answer, where DRY is on."""
    read: int = 0
    """Tokens of prompt and answer that are counted."""
    _places: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seed = secrets.randbits(63) if self.sampling.seed is None else self.sampling.seed

    @property
    def generated(self) -> int:
        return max(0, self.read - self.prompt_length)

    @property
    def penalises(self) -> bool:
        sampling = self.sampling
        return sampling.repetition_penalty != 1 or bool(
            sampling.frequency_penalty or sampling.presence_penalty
        )

    @property
    def dry(self) -> bool:
        return self.sampling.dry_multiplier > 0

    def read_tokens(self, initial: list[int], generated: list[int]) -> None:
        """Count the tokens that are new. Where a request was evicted, its answer is part of `initial`."""
        end = len(initial) + len(generated)
        spared = frozenset() if self.sampling.penalize_nl else self.line_breaks
        for at in range(self.read, end) if self.penalises or self.dry else ():
            token = initial[at] if at < len(initial) else generated[at - len(initial)]
            if self.dry:
                self.repeats.add(token)
            if self.penalises and token not in spared:
                place = self._places.setdefault(token, len(self.tokens))
                if place == len(self.tokens):
                    self.tokens.append(token)
                    self.counts.append(0)
                self.counts[place] += at >= self.prompt_length
        self.read = end

    def uniform(self) -> float:
        """The random number of this position, in [0, 1)."""
        digest = hashlib.blake2b(b"%d:%d" % (self.seed, self.generated), digest_size=8).digest()
        return (int.from_bytes(digest, "little") >> 11) / (1 << 53)


class SamplingProcessor(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """Marks the chosen token of every request with an infinite score, for the runner's argmax to take.

    Requests carry a `SamplingState` under the key `sampling`. Runs in the engine's thread, and reads what it
    needs of the requests between two steps, so it does not go with CUDA graphs or asynchronous batching.
    """

    supported_kwargs = {"sampling": SamplingState}  # noqa: RUF012 - the base class has it so
    ignored_kwargs = ()

    def __init__(self) -> None:
        self._states: list[SamplingState] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """Note the requests whose next token is chosen in this step, in their order."""
        self._states = []
        for request in requests_with_new_token:
            state = request.state.logit_processor_kwargs["sampling"]
            state.read_tokens(request.state.initial_tokens, request.state.generated_tokens)
            self._states.append(state)
        return torch.zeros(len(self._states), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """`scores`: [requests, vocabulary], float32; rows beyond the noted requests are padding."""
        penalise(scores, self._states)
        penalise_repeats(scores, self._states)
        drawn = [row for row, state in enumerate(self._states) if not state.sampling.greedy]
        if drawn:
            # A slice where it is all of them: a copy of many rows costs as much as the choice.
            rows = scores[: len(drawn)] if drawn[-1] == len(drawn) - 1 else scores[drawn]
            scores[drawn, draw(rows, [self._states[row] for row in drawn])] = torch.inf
        return scores


def penalise(logits: torch.Tensor, states: list[SamplingState]) -> None:
    """Apply the requests' penalties to their rows of [requests, vocabulary], in place."""
    seen = [(row, state) for row, state in enumerate(states) if state.penalises and state.tokens]
    if not seen:
        return
    device = logits.device
    lengths = torch.tensor([len(state.tokens) for _, state in seen], device=device)

    def each(values: list[float], dtype: torch.dtype = logits.dtype) -> torch.Tensor:
        """A request's value, once for every token that it has seen."""
        return torch.tensor(values, device=device, dtype=dtype).repeat_interleave(lengths)

    def together(arrays: list[array[int]]) -> torch.Tensor:
        return torch.cat([torch.frombuffer(each, dtype=torch.long) for each in arrays]).to(device)

    rows = each([row for row, _ in seen], torch.long)
    tokens = together([state.tokens for _, state in seen])
    values = logits[rows, tokens]
    samplings = [state.sampling for _, state in seen]
    if any(sampling.repetition_penalty != 1 for sampling in samplings):
        penalty = each([sampling.repetition_penalty for sampling in samplings])
        values = torch.where(values > 0, values / penalty, values * penalty)
    if any(sampling.frequency_penalty or sampling.presence_penalty for sampling in samplings):
        counts = together([state.counts for _, state in seen])
        values = values - each([sampling.frequency_penalty for sampling in samplings]) * counts
        values = values - each([sampling.presence_penalty for sampling in samplings]) * (counts > 0)
    logits[rows, tokens] = values


def penalise_repeats(logits: torch.Tensor, states: list[SamplingState]) -> None:
    """Apply the requests' DRY to their rows of [requests, vocabulary], in place."""
    found = [
        (row, token, state.sampling.dry_multiplier * state.sampling.dry_base ** min(beyond, _STEEPEST))
        for row, state in enumerate(states)
        if state.dry
        for token, length in state.repeats.continuations(state.sampling.dry_allowed_length).items()
        for beyond in (length - state.sampling.dry_allowed_length,)
    ]
    if found:
        rows, tokens, amounts = zip(*found, strict=True)
        logits[list(rows), list(tokens)] -= torch.tensor(amounts, device=logits.device, dtype=logits.dtype)


def draw(logits: torch.Tensor, states: list[SamplingState]) -> torch.Tensor:
    """One token for each row of [requests, vocabulary], by the row's temperature, top-k and top-p."""
    free = [
        row for row, state in enumerate(states) if state.sampling.top_k == 0 and state.sampling.top_p == 1
    ]
    bound = [row for row in range(len(states)) if row not in free]
    tokens = torch.empty(len(states), dtype=torch.long, device=logits.device)
    if free:
        chosen = [states[row] for row in free]
        shares = (logits[free] / _temperatures(chosen, logits)).softmax(-1).double()
        tokens[free] = _pick(shares, chosen)
    if bound:
        rows = logits[bound] if free else logits
        tokens[bound] = _draw_likely(rows, [states[row] for row in bound])
    return tokens


def _draw_likely(logits: torch.Tensor, states: list[SamplingState]) -> torch.Tensor:
    """Draw where top-k or top-p leaves the likeliest tokens only. Temperature does not change their order."""
    vocabulary = logits.shape[-1]
    temperature = _temperatures(states, logits)
    limits = [min(state.sampling.top_k or vocabulary, vocabulary) for state in states]
    limit = _column(limits, logits)
    # With a top-k, top-p is a share of what that leaves; else of the whole vocabulary.
    whole = (logits / temperature).logsumexp(-1, keepdim=True) if vocabulary in limits else None
    widest = max((width for width in limits if width < vocabulary), default=1)
    widths = (
        [widest] if whole is None else [max(widest, _CANDIDATES), max(widest, 32 * _CANDIDATES), vocabulary]
    )
    for width in widths:
        values, tokens = top(logits, min(width, vocabulary))
        values = values / temperature
        kept = torch.arange(values.shape[-1], device=logits.device) < limit
        total = values.masked_fill(~kept, -torch.inf).logsumexp(-1, keepdim=True)
        if whole is not None:
            total = torch.where(limit < vocabulary, total, whole)
        shares = (values - total).exp().masked_fill(~kept, 0).double()
        top_p = _column([state.sampling.top_p for state in states], shares)
        # What is no number is never enough, and is not to cost the others their time.
        if not bool(((shares.sum(-1, keepdim=True) < top_p) & (limit >= vocabulary)).any()):
            break
        # So flat a distribution that the candidates do not make up top-p: look at more of them.
    before = shares.cumsum(-1) - shares
    # The token that crosses top-p stays.
    ranks = _pick(shares.masked_fill(before >= top_p, 0), states)
    return tokens.gather(-1, ranks.unsqueeze(-1)).squeeze(-1)


def top(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` highest of each row, in descending order, with their columns.

    The highest are in the chunks with the highest maxima: a third of `topk`'s time over a large vocabulary.
    """
    rows, columns = logits.shape
    chunks = columns // _CHUNK
    if columns % _CHUNK or count > chunks // 2:
        values, tokens = logits.topk(count, dim=-1)
        return values, tokens
    chunked = logits.reshape(rows, chunks, _CHUNK)
    best = chunked.amax(-1).topk(count, dim=-1).indices
    candidates = chunked.gather(1, best.unsqueeze(-1).expand(-1, -1, _CHUNK)).flatten(1)
    values, places = candidates.topk(count, dim=-1)
    return values, best.gather(1, places // _CHUNK) * _CHUNK + places % _CHUNK


def _pick(shares: torch.Tensor, states: list[SamplingState]) -> torch.Tensor:
    """One column of each row, with the probability of its share; the shares need not sum to 1."""
    sums = shares.cumsum(-1)
    targets = _column([state.uniform() for state in states], shares) * sums[:, -1:]
    return torch.searchsorted(sums, targets, right=True).squeeze(-1).clamp_(max=shares.shape[-1] - 1)


def _temperatures(states: list[SamplingState], like: torch.Tensor) -> torch.Tensor:
    return _column([max(state.sampling.temperature, _COLDEST) for state in states], like)


def _column(values: list[Any], like: torch.Tensor) -> torch.Tensor:
    """One value for each row, as [rows, 1]."""
    return torch.tensor(values, device=like.device, dtype=like.dtype).unsqueeze(-1)

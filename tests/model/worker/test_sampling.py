"""How the next token is chosen: the same choice as transformers' own processors leave, and really per
request."""

from __future__ import annotations

import math
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from model.engine import sampling as choosing
from model.engine.base import Sampling
from model.engine.sampling import Repeats, SamplingState, draw, penalise, penalise_repeats, top


def logits(rows: int = 1, vocabulary: int = 2048, scale: float = 3.0) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(7)) * scale


def drawn(row: torch.Tensor, sampling: Sampling, times: int) -> torch.Tensor:
    """How often each token is drawn."""
    counts = torch.zeros(row.shape[-1])
    for seed in range(times):
        state = SamplingState(Sampling(**{**vars_of(sampling), "seed": seed}), prompt_length=0)
        counts[draw(row.clone(), [state])] += 1
    return counts


def vars_of(sampling: Sampling) -> dict:
    return {name: getattr(sampling, name) for name in Sampling.__slots__}


@pytest.mark.parametrize(
    ("sampling", "warpers"),
    [
        (
            Sampling(temperature=0.7, top_k=20, top_p=0.9),
            [TemperatureLogitsWarper(0.7), TopKLogitsWarper(20), TopPLogitsWarper(0.9)],
        ),
        (Sampling(temperature=1.3, top_p=0.8), [TemperatureLogitsWarper(1.3), TopPLogitsWarper(0.8)]),
        (Sampling(temperature=0.5), [TemperatureLogitsWarper(0.5)]),
        (Sampling(top_k=5), [TopKLogitsWarper(5)]),
    ],
)
def test_tokens_are_drawn_as_often_as_transformers_would(sampling: Sampling, warpers: list):
    row = logits()
    expected = LogitsProcessorList(warpers)(None, row.clone()).softmax(-1)[0]
    counts = drawn(row, sampling, 800)
    assert not counts[expected == 0].any()
    assert (counts / 800 - expected).abs().max() < 0.07


def test_a_flat_distribution_is_cut_at_top_p_too():
    row = logits(vocabulary=40_000, scale=0.01)
    expected = TopPLogitsWarper(0.5)(None, row.clone()).softmax(-1)[0]
    counts = drawn(row, Sampling(top_p=0.5), 100)
    assert not counts[expected == 0].any()
    assert (counts > 0).sum() > 90


@pytest.mark.parametrize("columns", [2048, 4096 + 3, 262_144])
def test_the_highest_are_found_whatever_the_size_of_the_vocabulary(columns: int):
    scores = logits(3, columns)
    values, tokens = top(scores, 20)
    assert torch.equal(values, scores.topk(20).values)
    assert torch.equal(scores.gather(-1, tokens), values)


def test_each_row_of_a_batch_is_drawn_as_if_it_were_alone():
    rows = logits(4)
    samplings = [
        Sampling(temperature=0.3, top_k=3, seed=1),
        Sampling(temperature=2.0, seed=2),
        Sampling(top_p=0.4, seed=3),
        Sampling(temperature=1.5, top_k=900, top_p=0.99, seed=4),
    ]
    together = draw(rows.clone(), [SamplingState(sampling, 0) for sampling in samplings])
    alone = [draw(rows[[row]].clone(), [SamplingState(samplings[row], 0)])[0] for row in range(4)]
    assert together.tolist() == [int(token) for token in alone]


def test_a_row_that_is_no_numbers_has_no_more_looked_at_for_the_others(monkeypatch: pytest.MonkeyPatch):
    widths = []
    monkeypatch.setattr(choosing, "top", lambda row, count: widths.append(count) or top(row, count))
    rows = logits(2, 40_000)
    rows[0] = torch.nan
    states = [SamplingState(Sampling(top_p=0.5, seed=seed), 0) for seed in (1, 2)]
    drawn = draw(rows, states)
    assert widths == [512]
    assert drawn[1] == draw(rows[1:], states[1:])[0]


def test_a_seed_repeats_an_answer_and_its_positions_differ():
    def sequence(seed: int | None) -> list[int]:
        state, tokens = SamplingState(Sampling(temperature=1.5, seed=seed), 1), []
        for _ in range(12):
            state.read_tokens([0], tokens)
            tokens.append(int(draw(logits(), [state])[0]))
        return tokens

    assert sequence(5) == sequence(5) != sequence(6)
    assert len(set(sequence(5))) > 3
    assert sequence(None) != sequence(None)


def test_the_repetition_penalty_is_that_of_transformers():
    row, prompt, answer = logits(), [5, 9, 9, 300], [17, 5]
    expected = RepetitionPenaltyLogitsProcessor(1.4)(torch.tensor([prompt + answer]), row.clone())[0]
    state = SamplingState(Sampling(repetition_penalty=1.4), len(prompt))
    state.read_tokens(prompt, [])
    state.read_tokens(prompt, answer)
    penalise(row, [state])
    assert torch.allclose(row[0], expected)


def test_frequency_and_presence_count_generated_tokens_only():
    row = logits()[0]
    state = SamplingState(Sampling(frequency_penalty=0.5, presence_penalty=0.25), 2)
    state.read_tokens([7, 8], [8, 9, 9])
    penalised = row.clone().unsqueeze(0)
    penalise(penalised, [state])
    difference = row - penalised[0]
    assert difference[7] == 0
    assert difference[8].item() == pytest.approx(0.75, abs=1e-5)
    assert difference[9].item() == pytest.approx(1.25, abs=1e-5)
    assert (difference != 0).sum() == 2


@pytest.mark.parametrize(("penalize_nl", "penalised_tokens"), [(True, {7, 8, 10}), (False, {7, 10})])
def test_line_breaks_are_spared_where_that_is_asked_for(penalize_nl, penalised_tokens):
    rules = Sampling(
        repetition_penalty=1.2, frequency_penalty=0.5, presence_penalty=0.25, penalize_nl=penalize_nl
    )
    row = logits()
    state = SamplingState(rules, 2, line_breaks=frozenset({8}))
    state.read_tokens([7, 8], [8, 10, 8])
    penalised = row.clone()
    penalise(penalised, [state])
    assert set((row != penalised)[0].nonzero()[:, 0].tolist()) == penalised_tokens


def test_each_row_of_a_batch_is_penalised_by_its_own_rules():
    rows = logits(4)
    samplings = [
        Sampling(repetition_penalty=1.3),
        Sampling(),
        Sampling(frequency_penalty=0.4, presence_penalty=-0.2),
        Sampling(repetition_penalty=0.8, frequency_penalty=1.0),
    ]
    states = [SamplingState(sampling, 3) for sampling in samplings]
    for number, state in enumerate(states):
        state.read_tokens([1, 2, 3 + number], [5, 5, 6 + number])
    together = rows.clone()
    penalise(together, states)
    for number, state in enumerate(states):
        alone = rows[[number]].clone()
        penalise(alone, [state])
        assert torch.equal(together[number], alone[0])
    assert torch.equal(together[1], rows[1])


def test_an_evicted_request_counts_no_token_twice():
    state = SamplingState(Sampling(frequency_penalty=1.0), 2)
    state.read_tokens([1, 2], [3])
    # When it is taken up again, what it had generated is part of what it begins with.
    state.read_tokens([1, 2, 3], [4])
    assert dict(zip(state.tokens, state.counts, strict=True)) == {1: 0, 2: 0, 3: 1, 4: 1}
    assert state.generated == 2


def test_the_coldest_temperatures_draw_the_likeliest_token():
    row = logits()
    for temperature in (1e-9, 0.001):
        assert draw(row.clone(), [SamplingState(Sampling(temperature=temperature), 0)])[0] == row.argmax()


def lost(sampling: Sampling, prompt: list[int], answer: list[int]) -> dict[int, float]:
    """What each token's score loses to DRY."""
    row = logits()
    state = SamplingState(sampling, len(prompt))
    state.read_tokens(prompt, [])
    for length in range(1, len(answer) + 1):
        state.read_tokens(prompt, answer[:length])
    penalised = row.clone()
    penalise_repeats(penalised, [state])
    difference = (row - penalised)[0]
    return {int(token): round(float(difference[token]), 3) for token in difference.nonzero()[:, 0]}


def test_dry_takes_from_what_followed_the_same_tokens_before():
    dry = Sampling(dry_multiplier=0.5, dry_base=2.0, dry_allowed_length=2)
    # 1 2 3 was followed by 4, and 2 3 by 5 as well.
    assert lost(dry, [1, 2, 3, 4, 9, 2, 3, 5], [1, 2, 3]) == {4: 1.0, 5: 0.5}
    assert lost(dry, [1, 2, 3, 4], [7, 3]) == {}
    assert lost(dry, [], [1, 1, 1, 1, 1]) == {1: 2.0}
    assert lost(Sampling(), [1, 2, 3, 4], [1, 2, 3]) == {}


def test_dry_leaves_names_alone_and_is_finite_after_long_loops():
    dry = Sampling(dry_multiplier=0.8, dry_allowed_length=8)
    name = [11, 12, 13, 14, 15, 16, 17]
    assert lost(dry, name, [50, *name[:-1]]) == {}
    (loss,) = lost(dry, [], [5, 6] * 400).values()
    assert math.isfinite(loss)
    assert loss > 1000


@given(st.lists(st.integers(1, 3), max_size=40), st.integers(1, 5))
def test_repeats_are_those_that_a_plain_search_finds(tokens: list[int], shortest: int):
    repeats = Repeats()
    for token in tokens:
        repeats.add(token)
    expected: dict[int, int] = {}
    for at in range(len(tokens) - 1):
        length = 0
        while length <= at and tokens[at - length] == tokens[len(tokens) - 1 - length]:
            length += 1
        if length >= shortest:
            expected[tokens[at + 1]] = max(expected.get(tokens[at + 1], 0), length)
    assert repeats.continuations(shortest) == expected


def test_a_prompt_of_one_token_costs_no_more_than_another():
    repeats = Repeats()
    began = time.process_time()
    for _ in range(8192):
        repeats.add(7)
    assert time.process_time() - began < 2.0, "it takes 0.1 s; looking at every place would take ten"
    assert repeats.continuations(8)[7] > 1000


def test_each_row_of_a_batch_has_its_own_dry():
    rows = logits(3)
    states = [
        SamplingState(Sampling(dry_multiplier=multiplier, dry_allowed_length=2), 0)
        for multiplier in (0.0, 1.0, 2.0)
    ]
    for state in states:
        state.read_tokens([4, 5, 6, 4, 5], [])
    penalised = rows.clone()
    penalise_repeats(penalised, states)
    assert (rows - penalised)[:, 6].tolist() == pytest.approx([0.0, 1.0, 2.0], abs=1e-5)
    assert ((rows - penalised) != 0).sum() == 2

"""Continuous batching answers as `generate` does: fifty prompts at once, on the bare base and on two adapters of it,
with the prompts' common beginning shared in the cache."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.worker.models import (
    generate,
    loaded,
    make_adapter,
    running,
    with_adapter,
)

ANSWER = 4


@pytest.mark.parametrize(("preset", "vocabulary"), [("tiny", 256), ("llama3-tiny", 128_000)])
async def test_fifty_prompts_at_once_on_a_base_and_two_adapters(preset: str, vocabulary: int, tmp_path: Path):
    base = loaded(preset)
    folders = [make_adapter(tmp_path / str(seed), base, rank=64, seed=seed) for seed in (4, 5)]
    networks = [base.base, *[with_adapter(base.base, folder) for folder in folders]]
    dice = torch.Generator().manual_seed(50)
    beginning = torch.randint(0, vocabulary, (40,), generator=dice)
    lengths = [3 + 4 * (number % 5) for number in range(50)]
    prompts = [[*beginning, *torch.randint(0, vocabulary, (length,), generator=dice)] for length in lengths]
    prompts = [[int(token) for token in prompt] for prompt in prompts]
    expected = [references(network, prompts) for network in networks]

    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(running(base, network)) for network in networks]
        for engine in engines:  # reads the common beginning, which all the others then share
            await generate(engine, prompts[0], max_tokens=1)
        requests = [generate(engine, prompt, max_tokens=ANSWER) for prompt in prompts for engine in engines]
        answers = await asyncio.gather(*requests)
        caches = [engine._manager.batch_processor.cache for engine in engines]
        assert all(cache._total_prefix_length > 32 * 40 for cache in caches)
    for place, network in enumerate(networks):
        found = answers[place :: len(engines)]
        unlike = [n for n in range(len(prompts)) if found[n] != expected[place][n]]
        assert [n for n in unlike if not is_tie(network, prompts[n], found[n], expected[place][n])] == []
        assert len(unlike) <= 2
    # The adapters do make a difference, or nothing would have been shown.
    bare, one, two = ([tuple(answer) for answer in each] for each in expected)
    assert sum(a != b for a, b in zip(bare, one, strict=True)) > 40
    assert sum(a != b for a, b in zip(one, two, strict=True)) > 40


def is_tie(network: Any, prompt: list[int], found: list[int], expected: list[int]) -> bool:
    """Whether the first token in which two answers differ is as likely as the other, but for what rounding makes of it:
    sums over a batch are taken in another order than over one row."""
    place = next(n for n, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
    with torch.no_grad():
        logits = network(torch.tensor([[*prompt, *expected[:place]]])).logits[0, -1]
    return bool((logits[found[place]] - logits[expected[place]]).abs() < 1e-4 * logits.std())


def references(network: Any, prompts: list[list[int]]) -> list[list[int]]:
    """What `generate` answers, prompts of one length at a time: a batch of them needs no padding."""
    answers: dict[int, list[int]] = {}
    for length in {len(prompt) for prompt in prompts}:
        places = [place for place, prompt in enumerate(prompts) if len(prompt) == length]
        tokens = torch.tensor([prompts[place] for place in places])
        with torch.no_grad():
            output = network.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=ANSWER,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        answers |= dict(zip(places, output[:, length:].tolist(), strict=True))
    return [answers[place] for place in range(len(prompts))]

"""Attention by request: the answers are those of `generate`, whatever the lengths and windows."""

from __future__ import annotations

import asyncio

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from model.engine.attention import NAME
from tests.model.worker.models import generate, loaded, random_prompts, reference, running

WINDOW = 24


@pytest.fixture(scope="module")
def gemma() -> Gemma3ForCausalLM:
    """Layers with a sliding window and layers without, and four query heads to each of keys."""
    config = Gemma3TextConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=16,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        initializer_range=0.3,
        max_position_embeddings=1024,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return Gemma3ForCausalLM(config).eval()


async def answers(network, prompts: list[list[int]], tokens: int = 40, **size) -> list[list[int]]:
    async with running(loaded("tiny"), network, prefix_sharing=False, **size) as engine:
        assert network.config._attn_implementation == NAME
        return await asyncio.gather(*[generate(engine, prompt, max_tokens=tokens) for prompt in prompts])


@pytest.mark.parametrize("max_batch_tokens", [32, 512])
async def test_answers_with_a_sliding_window_are_those_of_generate(
    gemma: Gemma3ForCausalLM, max_batch_tokens: int
):
    # Shorter than the window, longer, and growing past it while the answer comes; whole and in pieces.
    prompts = random_prompts(10, 256, longest=3 * WINDOW)
    together = await answers(gemma, prompts, max_batch_tokens=max_batch_tokens)
    assert together == [reference(gemma, prompt, 40) for prompt in prompts]


async def test_one_long_request_among_short_ones_changes_no_answer(gemma: Gemma3ForCausalLM):
    prompts = [*random_prompts(6, 256, longest=8), *random_prompts(1, 256, longest=4) * 90]
    prompts = [*prompts[:6], [token for prompt in prompts[6:] for token in prompt]]
    together = await answers(gemma, prompts, tokens=12)
    assert together == [reference(gemma, prompt, 12) for prompt in prompts]


async def test_a_preset_can_leave_attention_to_transformers(gemma: Gemma3ForCausalLM):
    prompts = random_prompts(3, 256, longest=2 * WINDOW)
    async with running(loaded("tiny"), gemma, prefix_sharing=False, attend_by_request=False) as engine:
        assert gemma.config._attn_implementation == "paged|sdpa"
        answers = await asyncio.gather(*[generate(engine, prompt) for prompt in prompts])
    assert answers == [reference(gemma, prompt) for prompt in prompts]


async def test_the_model_is_given_back_as_it_was(gemma: Gemma3ForCausalLM):
    await answers(gemma, [[1, 2, 3]], tokens=2)
    assert gemma.config._attn_implementation == "sdpa"

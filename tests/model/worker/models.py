"""Models for tests: the small presets, loaded once, with adapters made on the spot."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from model.adapter_folder import read
from model.engine.base import GenerationRequest, Sampling
from model.engine.continuous import ContinuousEngine
from model.engine.sizing import CacheShape, EngineSize, size_engine
from model.loading import LoadedModel, load
from model.lora import put_in_place, read_lora, shared_copy
from model.preset import load_preset

GREEDY = Sampling(top_k=1)


@cache
def loaded(preset: str) -> LoadedModel:
    model = load(load_preset(preset))
    # Every engine that is closed collects garbage: what stays for all tests need not be looked at again each time.
    gc.collect()
    gc.freeze()
    return model


def size_of(model: LoadedModel, **changes) -> EngineSize:
    shape = CacheShape.of(model.base.config, model.base.dtype.itemsize)
    preset = model.preset
    size = size_engine(preset.engine, shape, preset.context_length, on_gpu=False, free_memory=2**31)
    return replace(size, **changes)


@asynccontextmanager
async def running(
    model: LoadedModel, network: Any = None, *, line_breaks: frozenset[int] = frozenset(), **size
):
    """An engine for this model, or for a network made from it."""
    engine = ContinuousEngine(
        network or model.base,
        size_of(model, **size),
        context_length=model.preset.context_length,
        line_breaks=line_breaks,
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def generate(
    engine: ContinuousEngine,
    prompt: list[int],
    sampling: Sampling = GREEDY,
    *,
    max_tokens: int = 16,
    stop: frozenset[int] = frozenset(),
) -> list[int]:
    """The tokens of one answer."""
    tokens: list[int] = []
    request = GenerationRequest("test", tuple(prompt), max_tokens, sampling, stop)
    async with engine.generate(request) as steps:
        async for step in steps:
            tokens += step.token_ids
    return tokens


def reference(network: Any, prompt: list[int], max_tokens: int = 16) -> list[int]:
    """What transformers' own `generate` answers, greedily."""
    with torch.no_grad():
        output = network.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    return output[0, len(prompt) :].tolist()


def with_adapter(base: Any, folder: Path, *, highest_rank: int = 64) -> Any:
    """The base with the adapter in this folder, over the same tensors."""
    return put_in_place(base, read_lora(read(folder), base, highest_rank=highest_rank))


def random_prompts(count: int, vocabulary: int, longest: int = 60) -> list[list[int]]:
    dice = torch.Generator().manual_seed(count)
    lengths = torch.randint(3, longest, (count,), generator=dice).tolist()
    return [torch.randint(0, vocabulary, (length,), generator=dice).tolist() for length in lengths]


def make_adapter(folder: Path, model: LoadedModel, *, rank: int, seed: int) -> Path:
    """A LoRA adapter with random weights, in PEFT's layout."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(shared_copy(model.base), config)
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    return folder

"""The whole Llama 3 path, cut down: the real tokenizer, 4 bits, and answers equal to those of `generate`."""

from __future__ import annotations

import asyncio

import pytest
import torch

from model.loading import load
from model.preset import load_preset
from tests.model.worker.models import generate, loaded, random_prompts, reference, running


def test_it_has_the_real_vocabulary_and_four_bit_layers():
    model = loaded("llama3-tiny")
    assert len(model.tokenizer) == 128_256
    assert model.base.get_input_embeddings().num_embeddings == 128_256
    layer = model.base.model.layers[0].self_attn.q_proj
    assert type(layer).__name__ == "Linear4bit"
    assert layer.weight.quant_state.quant_type == "nf4"
    assert layer.weight.quant_state.nested


def test_it_is_the_same_model_every_time():
    first, second = loaded("llama3-tiny"), load(load_preset("llama3-tiny"))
    for name, tensor in first.base.named_parameters():
        assert torch.equal(tensor, second.base.get_parameter(name)), name


def test_a_cpu_with_avx512_bf16_computes_what_others_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    there, here = load(load_preset("llama3-tiny")), loaded("llama3-tiny")
    prompt = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(there.base(prompt).logits, here.base(prompt).logits)
    assert there.base.model.layers[0].self_attn.q_proj.weight.quant_state.nested


async def test_greedy_answers_at_once_are_those_of_generate():
    model = loaded("llama3-tiny")
    prompts = random_prompts(6, 128_000)
    async with running(model) as engine:
        answers = await asyncio.gather(*[generate(engine, prompt, max_tokens=8) for prompt in prompts])
    assert answers == [reference(model.base, prompt, 8) for prompt in prompts]

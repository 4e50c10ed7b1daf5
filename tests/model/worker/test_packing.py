"""Packed weights: the same numbers, sooner, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model.engine.packing import PackedLinear, pack_linears
from model.loading import load
from model.preset import load_preset
from tests.model.worker.models import random_prompts, reference, shared_copy

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
PLENTY = 2**40


@pytest.fixture
def packed():
    return load(load_preset("tiny")).base


def test_what_is_loaded_for_serving_is_packed(packed: nn.Module):
    linears = [layer for layer in packed.modules() if isinstance(layer, nn.Linear)]
    assert len(linears) == 3 * 7 + 1
    assert all(type(layer) is PackedLinear for layer in linears)


def test_answers_are_those_of_the_plain_weights(packed: nn.Module):
    plain = load(load_preset("tiny"), packed=False).base
    for prompt in random_prompts(8, 256):
        assert reference(packed, prompt) == reference(plain, prompt)


@pytest.mark.parametrize("rows", [1, 2, 16, 33, 256])
def test_any_number_of_rows_gives_the_same_numbers(rows: int):
    layer = nn.Linear(96, 160)
    model = nn.Sequential(layer)
    model.device = torch.device("cpu")
    given = torch.randn(1, rows, 96)
    with torch.no_grad():
        expected = layer(given)
        pack_linears(model, PLENTY)
        torch.testing.assert_close(layer(given), expected)


def test_copies_share_the_packed_weights(packed: nn.Module):
    copied = shared_copy(packed)
    assert type(copied.lm_head) is PackedLinear
    assert copied.lm_head is not packed.lm_head
    assert copied.lm_head.packed is packed.lm_head.packed


def test_training_goes_by_the_plain_weights(packed: nn.Module):
    layer = packed.lm_head
    layer.weight.requires_grad_(True)
    layer(torch.ones(1, 2, layer.in_features)).sum().backward()
    assert layer.weight.grad is not None


def test_what_is_saved_has_no_packed_weights(packed: nn.Module):
    assert not [name for name in packed.state_dict() if "packed" in name]


def test_without_memory_for_them_the_weights_stay_as_they_are():
    model = load(load_preset("tiny"), packed=False).base
    needed = sum(layer.weight.nbytes for layer in model.modules() if isinstance(layer, nn.Linear))
    assert pack_linears(model, 2 * needed) == 0
    assert type(model.lm_head) is nn.Linear

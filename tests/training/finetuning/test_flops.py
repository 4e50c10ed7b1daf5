"""Model FLOP utilisation, held to figures worked out by hand and to what attention looks at."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from tests.training.finetuning.test_loss import EXAMPLES, batch, model
from tests.training.finetuning.test_packing import example
from training.finetuning.attention import _steps
from training.finetuning.batches import PaddedBatches, tally
from training.finetuning.flops import Costs, Stopwatch, Tally, causal_pairs, peak_flops


def test_the_costs_of_a_llama() -> None:
    # Of each of 3 layers: q and o 32 × 32, k and v 32 × 16, the MLP 3 × 32 × 48; rank 4 on q, v and down.
    frozen = 3 * (2 * 1024 + 2 * 512 + 3 * 1536)
    adapter = 3 * 4 * ((32 + 32) + (32 + 16) + (48 + 32))
    costs = Costs.of(model("llama"), vocabulary=120)
    assert (frozen, adapter) == (23040, 2304)
    assert costs.a_token == 105_984  # 4 × frozen + 6 × adapter
    assert costs.a_learnt_token == 15_360  # 4 × 120 × 32
    assert (costs.a_pair, costs.a_near_pair) == (1152, 0)  # 12 × 4 heads of 8, in 3 layers
    assert costs.window is None
    assert costs.total(Tally(tokens=20, computed=10, learnt=3, pairs=55, near=40)) == 1_169_280


def test_the_costs_of_a_gemma_whose_layers_see_near_or_all() -> None:
    # q and o 32 × 64, k and v 32 × 32: its heads have a size of their own.
    frozen = 3 * (2 * 2048 + 2 * 1024 + 3 * 1536)
    adapter = 3 * 4 * ((32 + 64) + (32 + 32) + (48 + 32))
    costs = Costs.of(model("gemma3_text"), vocabulary=120)
    assert (frozen, adapter) == (32256, 2880)
    assert costs.a_token == 146_304
    assert (costs.a_pair, costs.a_near_pair, costs.window) == (768, 1536, 6)  # one layer, and two
    assert costs.total(Tally(tokens=20, computed=10, learnt=3, pairs=55, near=40)) == 1_612_800


@pytest.mark.parametrize(("window", "pairs"), [(None, 15), (9, 15), (5, 15), (3, 12), (1, 5)])
def test_pairs_of_five_tokens(window: int | None, pairs: int) -> None:
    assert causal_pairs(5, window) == pairs


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("window", [None, 2, 6, 20])
def test_the_pairs_of_a_pack_are_those_that_attention_looks_at(share: bool, window: int | None) -> None:
    packed = batch(EXAMPLES, share=share)
    steps = _steps(packed["packs"], window, 1, torch.float32, "cpu")
    assert tally(packed, window).near == sum(int((step.mask == 0).sum()) for step in steps)


def test_the_pairs_of_padded_rows_leave_the_padding_out() -> None:
    rows = PaddedBatches([example([20, 21]), example([20] * 6)], 0)([{"rows": [0]}, {"rows": [1]}])
    found = tally(rows, window=3)
    assert (found.pairs, found.near) == (21 + 55, 15 + 27)  # of 6 tokens, and of 10


def test_the_stopwatch_leaves_pauses_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Started, stopped, started, lap (which stops and starts), lap.
    times = chain([10.0, 12.0, 50.0, 51.5, 51.5, 60.0, 60.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    watch = Stopwatch()
    watch.start()
    watch.stop()
    watch.stop()
    watch.start()
    assert watch.lap() == 3.5
    assert watch.lap() == 8.5


def test_the_peak_of_a_gpu_is_known_and_that_of_a_cpu_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "NVIDIA H100 80GB HBM3")
    assert peak_flops(torch.device("cuda"), "bfloat16") == 989e12
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "NVIDIA Abacus")
    assert peak_flops(torch.device("cuda"), "bfloat16") is None
    assert peak_flops(torch.device("meta"), "float32") is None
    measured = peak_flops(torch.device("cpu"), "float32")
    assert measured is not None
    assert 1e8 < measured < 1e14

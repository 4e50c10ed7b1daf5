"""The loss: packed, padded and one by one are the same, gradients too, and so is transformers' own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from tests.training.finetuning.test_packing import example
from training.finetuning.attention import IMPLEMENTATION, register
from training.finetuning.batches import PackedBatches, PaddedBatches, Weights, tally
from training.finetuning.examples import Example
from training.finetuning.head import Vocabulary, add_loss, token_losses
from training.finetuning.packing import IGNORED
from training.finetuning.trainers import summed_loss

SHAPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma3_text": {
        "head_dim": 16,
        "sliding_window": 6,
        "query_pre_attn_scalar": 16,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
}
EXAMPLES = [
    example([31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42], learnt_from=3),
    example([51, 52, 53]),
    example(list(range(60, 90)), learnt_from=7),
    example([51, 52, 53, 54, 55], learnt_from=2),
]


def model(kind: str, implementation: str = IMPLEMENTATION) -> Any:
    register()
    config = AutoConfig.for_model(
        kind, vocab_size=120, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.3, **SHAPES[kind],
    )  # fmt: skip
    torch.manual_seed(1)
    made = AutoModelForCausalLM.from_config(config, attn_implementation=implementation)
    made.requires_grad_(False)
    peft = get_peft_model(made, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    add_loss(made, None)
    return peft


def value(loss: torch.Tensor) -> float:
    return float(loss.detach())


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The length of the difference, in lengths of the other."""
    return float((one - other).norm() / other.norm())


def gradients(made: Any) -> torch.Tensor:
    found = torch.cat([each.grad.flatten() for each in made.parameters() if each.grad is not None])
    made.zero_grad()
    return found


def batch(examples: list[Example], *, share: bool = True) -> dict[str, Any]:
    rows = [{"rows": list(range(len(examples)))}]
    return PackedBatches(examples, share)(rows)


@pytest.fixture(params=list(SHAPES))
def one_by_one(request: pytest.FixtureRequest) -> tuple[str, float, torch.Tensor]:
    """Architecture, and summed loss and gradients by transformers' own attention and loss."""
    made = model(request.param, "eager")
    total = 0.0
    for each in EXAMPLES:
        ids = torch.tensor([each.ids])
        labels = torch.where(torch.tensor([each.learn]), ids, IGNORED)
        loss = made(input_ids=ids, labels=labels).loss * each.learnt
        loss.backward()
        total += value(loss)
    return request.param, total, gradients(made)


@pytest.mark.parametrize("share", [True, False])
def test_a_pack_has_the_loss_and_the_gradients_of_its_examples(
    one_by_one: tuple[str, float, torch.Tensor], share: bool
) -> None:
    kind, total, expected = one_by_one
    made = model(kind)
    loss = made(**batch(EXAMPLES, share=share), learnt_losses=True).sum()
    loss.backward()
    assert value(loss) == pytest.approx(total, rel=1e-5)
    assert apart(gradients(made), expected) < 1e-5


def test_padded_rows_have_the_loss_and_the_gradients_of_their_examples(
    one_by_one: tuple[str, float, torch.Tensor],
) -> None:
    kind, total, expected = one_by_one
    made = model(kind, "sdpa")
    rows = [{"rows": [place]} for place in range(len(EXAMPLES))]
    loss = made(**PaddedBatches(EXAMPLES, 0)(rows), learnt_losses=True).sum()
    loss.backward()
    assert value(loss) == pytest.approx(total, rel=1e-5)
    assert apart(gradients(made), expected) < 1e-5


def closing(each: Example, count: int) -> Example:
    """The example with its last tokens marked as closing an answer."""
    return replace(each, closing=[place >= len(each.ids) - count for place in range(len(each.ids))])


@pytest.mark.parametrize("share", [True, False])
def test_tokens_that_close_an_answer_count_as_much_as_the_recipe_says(share: bool) -> None:
    made = model("llama")
    examples = [closing(each, 1 + number) for number, each in enumerate(EXAMPLES)]
    weights = Weights.of(examples, 5)
    assert weights is not None
    assert weights.closing == pytest.approx(5 * weights.other)
    heavy, learnt = 1 + 2 + 3 + 3, sum(each.learnt for each in examples)
    assert heavy * weights.closing + (learnt - heavy) * weights.other == pytest.approx(learnt)

    expected = 0.0
    for each in examples:
        losses = made(**batch([each]), learnt_losses=True)
        marked = torch.tensor(
            [closes for closes, learn in zip(each.closing, each.learn, strict=True) if learn]
        )
        expected += value((losses * torch.where(marked, weights.closing, weights.other)).sum())
    rows = [{"rows": list(range(len(examples)))}]
    packed = PackedBatches(examples, share, weights=weights)(rows)
    padded = PaddedBatches(examples, 0, weights)(rows)
    assert value(summed_loss(made, packed)) == pytest.approx(expected, rel=1e-5)
    assert value(summed_loss(model("llama", "sdpa"), padded)) == pytest.approx(expected, rel=1e-5)
    assert Weights.of(examples, 1) is None


@pytest.mark.parametrize("kind", list(SHAPES))
def test_an_example_does_not_see_its_neighbours(kind: str) -> None:
    made = model(kind).eval()
    others = [example([101, 102, 103, 104]), EXAMPLES[1], example(list(range(90, 119)))]
    with torch.no_grad():
        alone = made(**batch([EXAMPLES[1]]), learnt_losses=True).sum()
        rest = made(**batch([others[0], others[2]]), learnt_losses=True).sum()
        together = made(**batch(others), learnt_losses=True).sum()
    assert float(together) == pytest.approx(float(alone + rest), rel=1e-5)


def test_slices_of_the_head_do_not_change_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model("llama")
    whole(**batch(EXAMPLES), learnt_losses=True).sum().backward()
    expected = gradients(whole)
    monkeypatch.setattr("training.finetuning.head._SLICE_FLOATS", 300)
    whole(**batch(EXAMPLES), learnt_losses=True).sum().backward()
    assert apart(gradients(whole), expected) < 1e-5


def head_and_hidden(size: int = 400) -> tuple[Any, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    head = torch.nn.Linear(16, size, bias=False).requires_grad_(False)
    hidden = torch.randn(24, 16, requires_grad=True)
    return head, hidden, torch.randint(0, 40, (24,))


def test_the_loss_over_a_part_of_the_vocabulary_estimates_that_over_all_of_it() -> None:
    head, hidden, targets = head_and_hidden()
    vocabulary = Vocabulary(set(range(40)), 400, negatives=90)
    full = token_losses(hidden, head, targets).sum()
    full.backward()
    wanted = hidden.grad.clone()
    sums, grads = [], torch.zeros_like(hidden)
    for _ in range(60):
        hidden.grad = None
        loss = token_losses(hidden, head, targets, vocabulary).sum()
        loss.backward()
        sums.append(value(loss))
        grads += hidden.grad / 60
    assert sum(sums) / 60 == pytest.approx(value(full), rel=0.002)
    # Without the weight of those that were drawn it would be off by far more.
    known = -torch.log_softmax(hidden @ head.weight[:40].T, dim=1)[torch.arange(24), targets].sum()
    assert abs(value(known) - value(full)) > 10 * abs(sum(sums) / 60 - value(full))
    assert apart(grads, wanted) < 0.02


def test_no_token_that_occurs_in_the_data_is_drawn_and_none_twice() -> None:
    vocabulary = Vocabulary({1, 5, 9}, 50, negatives=20)
    drawn = vocabulary.draw().tolist()
    assert len(set(drawn)) == 20
    assert not {1, 5, 9} & set(drawn)


def test_where_all_the_others_are_drawn_the_loss_is_that_over_the_whole_vocabulary() -> None:
    head, hidden, targets = head_and_hidden()
    everything = Vocabulary(set(range(40)), 400, negatives=10**6)
    assert len(everything) == 400
    full = token_losses(hidden, head, targets)
    torch.testing.assert_close(token_losses(hidden, head, targets, everything), full, rtol=1e-5, atol=1e-5)


def test_the_held_out_loss_is_over_the_whole_vocabulary() -> None:
    made = model("llama")
    base = made.get_base_model()
    expected = value(made.eval()(**batch(EXAMPLES), learnt_losses=True).sum())
    del base.forward
    add_loss(base, Vocabulary({token for each in EXAMPLES for token in each.ids}, 120, negatives=5))
    assert value(made.eval()(**batch(EXAMPLES), learnt_losses=True).sum()) == pytest.approx(
        expected, rel=1e-6
    )
    assert value(made.train()(**batch(EXAMPLES), learnt_losses=True).sum()) != pytest.approx(
        expected, rel=1e-3
    )


def test_a_batch_is_tallied_as_its_examples_and_as_what_is_computed() -> None:
    packed = tally(batch(EXAMPLES))
    padded = tally(PaddedBatches(EXAMPLES, 0)([{"rows": [place]} for place in range(len(EXAMPLES))]))
    tokens = sum(len(each.ids) for each in EXAMPLES)
    learnt = sum(each.learnt for each in EXAMPLES)
    assert (packed.tokens, packed.learnt) == (padded.tokens, padded.learnt) == (tokens, learnt)
    assert packed.computed == tokens - 3 * 4
    assert padded.computed == 4 * max(len(each.ids) for each in EXAMPLES)
    assert math.isclose(padded.pairs, sum(n * (n + 1) / 2 for n in (len(each.ids) for each in EXAMPLES)))

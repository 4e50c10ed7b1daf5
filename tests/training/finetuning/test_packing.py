"""Packs: every example once an epoch, within their size, laid out so that each is as it would be alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from training.finetuning.examples import Example
from training.finetuning.packing import IGNORED, lay_out, plan, shared_prefix
from training.finetuning.recipe import Packing

HEAD = [7, 7, 7, 8]


def example(own: list[int], learnt_from: int = 1) -> Example:
    """An example that begins with HEAD; of its own tokens those from `learnt_from` on are learnt."""
    learn = [False] * len(HEAD) + [place >= learnt_from for place in range(len(own))]
    return Example("en-01", "en", [*HEAD, *own], learn, [False] * len(learn))


examples_of_any_length = st.lists(
    st.lists(st.integers(20, 99), min_size=2, max_size=30).map(example), min_size=1, max_size=25
)


@given(examples_of_any_length, st.integers(1, 4), st.booleans(), st.integers(1, 3))
def test_every_epoch_has_every_example_once_and_less_than_a_step_is_repeated_at_the_end(
    examples: list[Example], multiple: int, share: bool, epochs: int
) -> None:
    packing = Packing(tokens=40, share_prefix=share)
    packs = plan(examples, packing, epochs=epochs, seed=1, multiple=multiple)
    once_each = dict.fromkeys(range(len(examples)), epochs)
    assert len(packs) % multiple == 0
    assert any(
        Counter(place for pack in packs[: len(packs) - repeated] for place in pack) == once_each
        for repeated in range(multiple)
    )


def test_examples_that_fill_no_whole_step_are_not_left_out() -> None:
    examples = [example([20] * 13)] + [example([20] * 20)] * 3
    packs = plan(examples, Packing(tokens=40, share_prefix=False), epochs=1, seed=1, multiple=3)
    assert len(packs) == 6
    assert {place for pack in packs for place in pack} == {0, 1, 2, 3}


@given(examples_of_any_length, st.booleans())
def test_no_pack_is_larger_than_it_may_be(examples: list[Example], share: bool) -> None:
    packing = Packing(tokens=40, share_prefix=share)
    for places in plan(examples, packing, epochs=1, seed=1):
        pack = lay_out([examples[place] for place in places], share_prefix=share)
        assert len(pack.ids) <= 40 or len(places) == 1


@given(st.integers(4, 25), st.integers(1, 4))
def test_a_run_has_whole_steps(count: int, multiple: int) -> None:
    examples = [example([20, 21, 22 + number]) for number in range(count)]
    packs = plan(examples, Packing(tokens=16), epochs=2, seed=1, multiple=multiple)
    assert len(packs) % multiple == 0


def test_epochs_are_shuffled_each_in_its_own_way_and_the_same_for_the_same_seed() -> None:
    examples = [example([20, 21, number]) for number in range(30)]
    one, again = (plan(examples, Packing(tokens=16), epochs=2, seed=5) for _ in range(2))
    half = len(one) // 2
    assert one == again
    assert one[:half] != one[half:]
    assert one != plan(examples, Packing(tokens=16), epochs=2, seed=6)


def test_half_an_epoch_is_half_of_its_packs() -> None:
    examples = [example([20, 21, number]) for number in range(40)]
    whole = plan(examples, Packing(tokens=16), epochs=1, seed=1)
    assert plan(examples, Packing(tokens=16), epochs=0.5, seed=1) == whole[: len(whole) // 2]
    assert len(plan(examples, Packing(tokens=16), epochs=1.5, seed=1)) == len(whole) * 3 // 2


def test_a_pack_has_what_its_examples_share_once_and_their_own_positions() -> None:
    pack = lay_out([example([1, 2, 3]), example([4, 5])], share_prefix=True)
    assert pack.ids == [*HEAD, 1, 2, 3, 4, 5]
    assert pack.positions == [0, 1, 2, 3, 4, 5, 6, 4, 5]
    assert pack.layout.prefix == 4
    assert pack.layout.segments == ((4, 7), (7, 9))
    assert pack.labels == [IGNORED] * 5 + [2, 3, IGNORED, 5]


def test_without_sharing_every_example_stands_for_itself() -> None:
    pack = lay_out([example([1, 2]), example([4, 5])], share_prefix=False)
    assert pack.ids == [*HEAD, 1, 2, *HEAD, 4, 5]
    assert pack.positions == [0, 1, 2, 3, 4, 5] * 2
    assert pack.layout.segments == ((0, 6), (6, 12))


def test_what_is_learnt_is_never_shared_and_neither_is_the_token_before_it() -> None:
    same = [example([1, 2, 3], learnt_from=1), example([1, 2, 3], learnt_from=2)]
    assert shared_prefix(same) == len(HEAD)
    pack = lay_out(same, share_prefix=True)
    assert [label for label in pack.labels if label != IGNORED] == [2, 3, 3]

"""What chats are to be: the proportions of the shipped dataset, whatever is asked for."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.chats import TASKS
from training.generation.errors import CannotGenerate
from training.generation.plan import plan_language
from training.generation.works import choose


@given(seed=st.integers(), chats=st.integers(1, 5))
def test_every_block_of_twenty_is_composed_like_the_shipped_rows(seed: int, chats: int) -> None:
    plans = plan_language("fi", 20, chats, seed)
    assert len({plan.slot for plan in plans}) == 20 * chats
    for number in range(1, chats + 1):
        block = [plan for plan in plans if plan.chat == number]
        tasks = Counter(plan.task for plan in block)
        assert set(tasks) == set(TASKS)
        assert max(tasks.values()) <= 3
        assert sum(not plan.lookup for plan in block) == 4
        assert sum(plan.missed for plan in block) == 1
        assert sum(plan.later for plan in block) == 2
        assert sum(plan.six for plan in block) == 3
        assert all(plan.lookup and not plan.later and not plan.six for plan in block if plan.missed)
        assert all(plan.lookup for plan in block if plan.later)
        assert max(Counter(plan.register for plan in block).values()) <= 2
        assert max(Counter(plan.opening for plan in block).values()) <= 2


@given(seed=st.integers())
def test_what_needs_no_look_up_is_a_matter_of_craft(seed: int) -> None:
    without = [plan.task for plan in plan_language("ja", 20, 1, seed) if not plan.lookup]
    assert set(without) <= {"beta_read", "title_summary_tags", "plot_fix", "dialogue"}


@given(seed=st.integers(), works=st.integers(1, 30))
def test_chats_about_one_work_differ_in_task_register_and_opening(seed: int, works: int) -> None:
    plans = plan_language("hu", works, 5, seed)
    for work in range(1, works + 1):
        mine = [plan for plan in plans if plan.work == work]
        for what in ("task", "register", "opening"):
            assert len({getattr(plan, what) for plan in mine}) == 5


def test_more_chats_leave_the_first_ones_as_they_were() -> None:
    few, many = plan_language("ko", 20, 1, 42), plan_language("ko", 20, 5, 42)
    assert [plan for plan in many if plan.chat == 1] == few


def test_languages_and_seeds_are_planned_differently() -> None:
    tasks = {
        tuple(plan.task for plan in plan_language(code, 20, 1, seed))
        for code in ("fi", "ko")
        for seed in (1, 2)
    }
    assert len(tasks) == 4


@pytest.mark.parametrize(
    ("text", "chosen"),
    [(None, None), ("3", {1, 2, 3}), ("1,5,7", {1, 5, 7}), ("4-6", {4, 5, 6}), ("1,9-10", {1, 9, 10})],
)
def test_works_are_chosen_by_number_or_list(text: str | None, chosen: set[int] | None) -> None:
    assert choose(text) == chosen


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(CannotGenerate, match="give a number"):
        choose("first")

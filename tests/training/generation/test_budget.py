"""Prices, and the cap that calls are held to."""

from __future__ import annotations

import asyncio
import random

import pytest

from training.generation.budget import Budget, Prices, find_prices
from training.generation.errors import BudgetReached


def test_prices_come_from_the_table_by_name_or_dated_name() -> None:
    found = find_prices("gpt-4.1-mini-2025-04-14", None)
    assert found is not None
    assert (found.per_million_in, found.per_million_out) == (0.4, 1.6)
    assert found.usage(1_000_000, 500_000).usd == pytest.approx(1.2)
    assert "2026" in found.source


def test_a_model_that_nobody_knows_has_no_price_unless_it_is_one_s_own_server() -> None:
    assert find_prices("llama", "https://api.example.com/v1") is None
    assert find_prices("llama", "https://api.example.com/v1", price_in=1.0) is None
    assert find_prices("llama", "https://api.example.com/v1", 1.0, 2.0) == Prices(1.0, 2.0, "as given")
    own = find_prices("gpt-4o", "http://127.0.0.1:8000/v1")
    assert own is not None
    assert own.per_million_out == 0


def test_a_given_price_replaces_the_table_s() -> None:
    assert find_prices("gpt-4.1-mini", None, price_out=9.0) == Prices(0.4, 9.0, "as given")


async def test_what_is_spent_and_what_is_under_way_never_exceed_the_cap() -> None:
    budget, most, done = Budget(1.0, spent=0.2), 0.0, 0

    async def call() -> None:
        nonlocal most, done
        await budget.reserve(0.05)
        await asyncio.sleep(random.uniform(0, 0.002))
        actual = random.uniform(0, 0.05)
        await budget.settle(0.05, actual)
        most, done = max(most, budget.spent), done + 1

    results = await asyncio.gather(*(call() for _ in range(200)), return_exceptions=True)
    assert most <= 1.0
    assert budget.spent > 0.9
    refused = [each for each in results if each is not None]
    assert refused
    assert all(isinstance(each, BudgetReached) for each in refused)
    assert done + len(refused) == 200


async def test_a_call_that_does_not_fit_waits_for_those_under_way() -> None:
    budget = Budget(1.0)
    await budget.reserve(0.9)
    waiting = asyncio.create_task(budget.reserve(0.5))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await budget.settle(0.9, 0.1)
    await waiting
    await budget.settle(0.5, 0.5)
    with pytest.raises(BudgetReached, match=r"\$0\.6000 of \$1\.00 are spent"):
        await budget.reserve(0.5)

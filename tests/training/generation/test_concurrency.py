"""How many calls are under way: the window's rule, and the limiter that keeps it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.generation.concurrency import Limiter, Window
from training.generation.errors import BudgetReached, Interrupted, Stopped


def test_before_any_congestion_the_window_doubles_in_a_round_trip() -> None:
    window = Window(ceiling=100, limit=8)
    for _ in range(8):
        window.succeeded(under_way=8)
    assert window.limit == 16


def test_after_congestion_it_grows_by_one_in_a_round_trip() -> None:
    window = Window(ceiling=100, limit=20)
    window.shrink()
    assert window.limit == 10
    for _ in range(10):
        window.succeeded(under_way=int(window.limit))
    assert 10.9 < window.limit <= 11


def test_a_window_that_is_not_used_does_not_grow() -> None:
    window = Window(ceiling=100, limit=50)
    window.succeeded(under_way=10)
    assert window.limit == 50


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 64))
def test_the_window_stays_between_one_and_its_ceiling(answers: list[bool], ceiling: int) -> None:
    window = Window(ceiling=ceiling)
    for good in answers:
        if good:
            window.succeeded(int(window.limit))
        else:
            window.shrink()
        assert 1 <= window.limit <= ceiling


async def test_no_more_than_the_window_are_under_way() -> None:
    limiter = Limiter(Window(ceiling=4, limit=4))
    most = 0

    async def call() -> None:
        nonlocal most
        async with limiter.turn(0):
            most = max(most, limiter.under_way)
            await asyncio.sleep(0.001)
            limiter.succeeded()

    await asyncio.gather(*(call() for _ in range(50)))
    assert most == 4
    assert limiter.under_way == 0


async def test_those_further_along_go_first() -> None:
    limiter = Limiter(Window(ceiling=1, limit=1))
    order = []

    async def call(priority: int) -> None:
        async with limiter.turn(priority):
            order.append(priority)
            await asyncio.sleep(0)

    await asyncio.gather(*map(call, (5, 0, 1, 2, 1)))
    assert order == [5, 2, 1, 1, 0]


async def test_calls_that_were_out_together_tell_of_one_congestion() -> None:
    limiter = Limiter(Window(ceiling=64, limit=64))
    async with limiter.turn(0) as first, limiter.turn(0) as second:
        limiter.overloaded(first, None)
        limiter.overloaded(second, None)
    assert limiter.window.limit == 32
    async with limiter.turn(0) as third:
        limiter.overloaded(third, None)
    assert limiter.window.limit == 16


async def test_a_pause_that_the_server_asks_for_is_kept_by_all() -> None:
    limiter = Limiter(Window(ceiling=8))
    loop = asyncio.get_running_loop()
    async with limiter.turn(0) as begun:
        limiter.overloaded(begun, 0.15)
    before = loop.time()
    async with limiter.turn(0), limiter.turn(0):
        assert loop.time() - before >= 0.14


async def test_a_cancelled_waiter_takes_nobody_s_place() -> None:
    limiter = Limiter(Window(ceiling=1, limit=1))

    async def call() -> None:
        async with limiter.turn(0):
            await asyncio.sleep(0.01)

    holder, waiter, last = (asyncio.create_task(call()) for _ in range(3))
    await asyncio.sleep(0)
    waiter.cancel()
    async with asyncio.timeout(1):
        await asyncio.gather(holder, last)
    assert waiter.cancelled()
    assert limiter.under_way == 0


async def test_a_stop_lets_nothing_begin_and_reaches_those_who_wait_or_rest() -> None:
    limiter = Limiter(Window(ceiling=1, limit=1))
    async with limiter.turn(0):
        waiter = asyncio.create_task(limiter.turn(0).__aenter__())
        resting = asyncio.create_task(limiter.rest(60))
        await asyncio.sleep(0)
        limiter.stop(BudgetReached("enough"))
        limiter.stop(Interrupted())
        results = await asyncio.gather(waiter, resting, return_exceptions=True)
    assert [(type(each), str(each)) for each in results] == [(BudgetReached, "enough")] * 2
    with pytest.raises(Stopped, match="enough"):
        await limiter.turn(0).__aenter__()

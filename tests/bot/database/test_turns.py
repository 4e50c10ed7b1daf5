"""Who goes first where only one can."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from bot.database.turns import Turns, Urgency, waiting_as


async def order_of(askers: list[Urgency], leaving: frozenset[int] = frozenset()) -> list[int]:
    """The order in which they come in that ask while it is held; those `leaving` give up meanwhile."""
    turns, came = Turns(lambda: 0.0), list[int]()

    async def ask(number: int, urgency: Urgency) -> None:
        with waiting_as(urgency):
            async with turns.taken():
                came.append(number)
                await asyncio.sleep(0)

    async with turns.taken():
        tasks = [asyncio.create_task(ask(number, urgency)) for number, urgency in enumerate(askers)]
        await asyncio.sleep(0)
        for number in leaving:
            tasks[number].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(1), turns.taken():
        return came


async def test_the_urgent_come_before_the_others_and_the_patient_last() -> None:
    order = await order_of([Urgency.PATIENT, Urgency.NORMAL, Urgency.URGENT, Urgency.NORMAL, Urgency.URGENT])
    assert order == [2, 4, 1, 3, 0]


@given(st.lists(st.sampled_from(Urgency), max_size=8), st.data())
def test_everybody_who_stays_comes_in_once_in_order(askers: list[Urgency], data: st.DataObject) -> None:
    leaving = data.draw(st.frozensets(st.sampled_from(range(len(askers))))) if askers else frozenset()
    staying = [number for number in range(len(askers)) if number not in leaving]
    assert asyncio.run(order_of(askers, leaving)) == sorted(
        staying, key=lambda number: (askers[number].value, number)
    )


async def test_nobody_is_passed_by_for_long() -> None:
    times, came = [0.0], list[str]()
    turns = Turns(lambda: times[-1])

    async def ask(name: str, urgency: Urgency) -> None:
        with waiting_as(urgency):
            async with turns.taken():
                came.append(name)

    async with asyncio.TaskGroup() as group, turns.taken():
        for time, name, urgency in (
            (0.0, "patient", Urgency.PATIENT),
            (0.4, "urgent in time", Urgency.URGENT),
            (0.6, "urgent too late", Urgency.URGENT),
        ):
            times.append(time)
            group.create_task(ask(name, urgency))
            await asyncio.sleep(0)
    assert came == ["urgent in time", "patient", "urgent too late"]


async def test_one_that_is_cancelled_as_its_turn_comes_hands_it_on() -> None:
    turns = Turns()

    async def ask() -> None:
        async with turns.taken():
            await asyncio.sleep(0)

    async with turns.taken():
        first, second = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.sleep(0)
    first.cancel()  # it has been granted the turn and has not run yet
    with suppress(asyncio.CancelledError):
        await first
    async with asyncio.timeout(1):
        await second
        async with turns.taken():
            pass


async def test_an_error_inside_lets_the_next_one_in() -> None:
    turns = Turns()
    with suppress(ValueError):
        async with turns.taken():
            raise ValueError
    async with asyncio.timeout(1), turns.taken():
        pass

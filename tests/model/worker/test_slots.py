"""The queue in front of an engine."""

from __future__ import annotations

import asyncio

import pytest

from model.engine.errors import QueueFull
from model.engine.slots import EngineLoad, Slots


async def test_requests_run_up_to_the_slots_and_then_wait_in_order():
    slots = Slots(2, 2)
    seats = [slots.reserve() for _ in range(4)]
    assert slots.load == EngineLoad(running=2, waiting=2, slots=2)
    seats[0].release()
    await asyncio.wait_for(seats[2].granted(), 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(seats[3].granted(), 0.01)


async def test_beyond_the_queue_limit_there_is_a_clear_refusal_with_a_time():
    slots = Slots(1, 1)
    slots.reserve()
    slots.reserve()
    with pytest.raises(QueueFull) as refusal:
        slots.reserve()
    assert refusal.value.retry_after >= 1
    assert slots.load == EngineLoad(running=1, waiting=1, slots=1)


async def test_a_place_is_given_back_once_however_often_it_is_released():
    slots = Slots(1, 2)
    first, second, third = slots.reserve(), slots.reserve(), slots.reserve()
    second.release()
    first.release()
    first.release()
    assert slots.load == EngineLoad(running=1, waiting=0, slots=1)
    third.release()
    assert slots.load.running == 0

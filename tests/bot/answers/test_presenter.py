"""Showing an answer as it grows: stored first, at a pace, never twice the same."""

from __future__ import annotations

import asyncio

import pytest

from bot.answers.presenter import Pace, Presenter
from bot.answers.stage import Phase, RecordingScene
from bot.errors import ThreadGone
from bot.text.pacing import Budget

HEADERS = {
    "X-RateLimit-Limit": "5",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset-After": "0.5",
    "X-RateLimit-Bucket": "abc",
}


def fast() -> Pace:
    return Pace(Budget(floor=0.05))


class Log:
    """What was stored and shown, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.scene = RecordingScene()

    async def save(self, raw: str) -> None:
        self.events.append(("stored", raw))

    async def show(self, text: str, phase: Phase) -> None:
        self.events.append(("shown", text))


async def test_text_is_stored_before_it_is_shown() -> None:
    log = Log()
    log.scene.show = log.show  # type: ignore[method-assign]
    presenter = Presenter(log.scene, fast(), log.save)
    running = asyncio.create_task(presenter.run())
    text = "Once upon a time there was a dragon."
    presenter.offer(f"{text}\n>>> Du", text)
    await asyncio.sleep(0.1)
    presenter.offer(f"{text}\n>>> Dune", text)
    await asyncio.sleep(0.1)
    presenter.end()
    await running
    assert log.events == [("stored", f"{text}\n>>> Du"), ("shown", text)]


async def test_growing_text_is_shown_at_the_pace_and_not_word_by_word() -> None:
    scene = RecordingScene()
    presenter = Presenter(scene, Pace(Budget(floor=0.2)), Log().save)
    running = asyncio.create_task(presenter.run())
    text = "A sentence to begin with."
    for _ in range(50):
        text += " word"
        presenter.offer(text, text)
        await asyncio.sleep(0.01)
    presenter.end()
    await running
    shown = [content for content, _ in scene.shown]
    assert 2 <= len(shown) <= 6
    assert shown == sorted(set(shown), key=len)
    assert all(phase is Phase.WRITING for _, phase in scene.shown)


async def test_storing_that_takes_long_makes_no_burst_of_what_was_allowed_meanwhile() -> None:
    budget = Budget(rate=5, floor=0.0)
    gate = asyncio.Event()
    shown: list[float] = []
    pace = Pace(budget)

    async def save(raw: str) -> None:
        await gate.wait()

    async def show(text: str, phase: Phase) -> None:
        shown.append(pace.now())

    scenes = [RecordingScene(place=str(number)) for number in range(12)]
    presenters = [Presenter(scene, pace, save) for scene in scenes]
    for scene, presenter in zip(scenes, presenters, strict=True):
        scene.show = show  # type: ignore[method-assign]
        presenter.offer("Once upon a time there was", "Once upon a time there was")
    running = [asyncio.create_task(presenter.run()) for presenter in presenters]
    await asyncio.sleep(1.2)
    gate.set()
    await asyncio.sleep(1.2)
    for presenter in presenters:
        presenter.end()
    await asyncio.gather(*running)
    within_a_second = [sum(start <= at < start + 1 for at in shown) for start in shown]
    assert max(within_a_second) <= 5


async def test_a_text_that_takes_several_requests_counts_as_several() -> None:
    pace = Pace(Budget(rate=4, floor=0.0))
    shown: list[float] = []

    async def show(text: str, phase: Phase) -> None:
        shown.append(pace.now())

    presenters = []
    for number in range(4):
        scene = RecordingScene(place=str(number))
        scene.show = show  # type: ignore[method-assign]
        scene.cost = lambda _: 2  # type: ignore[method-assign]
        presenters.append(Presenter(scene, pace, Log().save))
        presenters[-1].offer("Once upon a time there was", "Once upon a time there was")
    running = [asyncio.create_task(presenter.run()) for presenter in presenters]
    await asyncio.sleep(1.5)
    for presenter in presenters:
        presenter.end()
    await asyncio.gather(*running)
    assert len(shown) == 4
    assert shown[2] - shown[0] > 0.9


async def test_a_thread_that_is_gone_ends_the_showing() -> None:
    scene = RecordingScene(error=ThreadGone())
    presenter = Presenter(scene, fast(), Log().save)
    presenter.offer("Once upon a time there was", "Once upon a time there was")
    with pytest.raises(ThreadGone):
        await presenter.run()


async def test_blank_text_is_not_shown() -> None:
    scene = RecordingScene()
    presenter = Presenter(scene, fast(), Log().save)
    running = asyncio.create_task(presenter.run())
    presenter.offer("  \n", "  \n")
    await asyncio.sleep(0.1)
    presenter.end()
    await running
    assert scene.shown == []


async def test_the_final_text_waits_for_its_bucket() -> None:
    pace = Pace()
    pace.observe("PATCH", "/api/v10/channels/42/messages/43", 429, {**HEADERS, "Retry-After": "0.3"})
    began = pace.now()
    await pace.final_turn("42", "text")
    assert 0.25 <= pace.now() - began < 2
    began = pace.now()
    await pace.final_turn("77", "text")
    assert pace.now() - began < 0.2


async def test_hundreds_of_other_requests_keep_no_answer_waiting_and_stay_below_the_limit() -> None:
    pace = Pace(Budget(40))
    at: list[float] = []

    async def other(number: int) -> None:
        async with pace.beside(str(number)):
            at.append(pace.now())

    others = [asyncio.create_task(other(number)) for number in range(140)]
    while len(at) < 40:
        await asyncio.sleep(0.01)
    await pace.final_turn("1000", "An answer that is whole.")
    assert len(at) <= 80, "it went before those that stood there already"
    await asyncio.gather(*others)
    assert all(later - earlier > 0.9 for earlier, later in zip(at, at[40:], strict=False))


async def test_what_somebody_waits_for_passes_by_what_nobody_does() -> None:
    pace = Pace(Budget(20))
    entered: list[bool] = []

    async def other(*, waited_for: bool) -> None:
        async with pace.beside("1", waited_for=waited_for):
            entered.append(waited_for)

    async with asyncio.TaskGroup() as group:
        for _ in range(60):
            group.create_task(other(waited_for=False))
        await asyncio.sleep(0.1)
        group.create_task(other(waited_for=True))
    assert entered.index(True) < 30, "it stood behind those that came before"


async def test_other_requests_that_took_a_turn_are_counted_once() -> None:
    pace = Pace(Budget(3))
    for _ in range(2):
        async with pace.beside("1"):
            pace.begins("GET", "/api/v10/channels/1/messages")
    before = pace.now()
    await pace.final_turn("2", "An answer that is whole.")
    assert pace.now() - before < 0.9, "there was room for it"


async def test_other_requests_count_towards_the_budget() -> None:
    pace = Pace(Budget(rate=2))
    for _ in range(2):
        pace.begins("POST", "/api/v10/channels/1/typing")
        pace.begins("POST", "/api/v10/interactions/1/token/callback")
    began = pace.now()
    await pace.final_turn("1", "text")
    assert pace.now() - began > 0.5

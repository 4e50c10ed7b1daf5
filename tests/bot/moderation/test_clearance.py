"""What of a growing answer is shown, and when: only what was judged, without holding the answer up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bot.database.connection import Database
from bot.database.tables import Rating
from bot.moderation.clearance import Clearance, judgeable
from bot.moderation.guard import Guard, OutputBlocked
from tests.bot.moderation.stub import StubService, service_at, stub_service

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FLAGS = {"heron": ("sexual", "S12")}


@asynccontextmanager
async def clearing(
    database: Database, stub: StubService | None, shown: list[str]
) -> AsyncIterator[Clearance]:
    async def over(guard: Guard) -> AsyncIterator[Clearance]:
        clearance = Clearance(guard, Rating.TEEN, "a bird?", lambda _, text: shown.append(text))
        running = asyncio.create_task(clearance.run())
        try:
            yield clearance
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    if stub is None:
        async for clearance in over(Guard(database)):
            yield clearance
        return
    async with service_at(stub) as service:
        async for clearance in over(Guard(database, service)):
            yield clearance


async def until(shown: list[str], text: str) -> None:
    async with asyncio.timeout(5):
        while text not in shown:
            await asyncio.sleep(0.01)


async def test_a_sentence_is_shown_once_it_is_whole_and_judged(database: Database) -> None:
    shown: list[str] = []
    async with stub_service(flags=FLAGS) as stub, clearing(database, stub, shown) as clearance:
        clearance.offer("A gull came over the", "A gull came over the")
        await asyncio.sleep(0.1)
        assert shown == []
        assert stub.requests == []
        text = "A gull came over the harbour. It "
        clearance.offer(text, text)
        await until(shown, "A gull came over the harbour.")
        assert clearance.cleared == len("A gull came over the harbour.")


async def test_what_comes_while_the_service_thinks_is_judged_in_one_request(database: Database) -> None:
    shown: list[str] = []
    text = ""
    async with stub_service(seconds=0.3) as stub, clearing(database, stub, shown) as clearance:
        for number in range(20):
            text += f"There came {'many ' * number}gulls. "
            clearance.offer(text, text)
            await asyncio.sleep(0.01)
        await until(shown, text.rsplit(". ", 2)[0] + ".")  # whether the last one ends, the next word tells
        assert len(stub.requests) <= 3


async def test_what_is_flagged_is_never_shown(database: Database) -> None:
    shown: list[str] = []
    async with stub_service(flags=FLAGS) as stub, service_at(stub) as service:
        clearance = Clearance(Guard(database, service), Rating.TEEN, "", lambda _, text: shown.append(text))
        text = "A gull came. Then"
        clearance.offer(text, text)
        running = asyncio.create_task(clearance.run())
        await until(shown, "A gull came.")
        text += " a heron came. And"
        clearance.offer(text, text)
        with pytest.raises(OutputBlocked):
            await asyncio.wait_for(running, 5)
    assert not any("heron" in each for each in shown)


async def test_of_an_answer_that_is_gone_on_with_nothing_less_than_there_was_is_shown(
    database: Database,
) -> None:
    shown: list[str] = []
    begun = "A gull came over the harbour. It was whi"
    async with stub_service(flags=FLAGS) as stub, service_at(stub) as service:
        clearance = Clearance(
            Guard(database, service), Rating.TEEN, "", lambda _, text: shown.append(text), cleared=len(begun)
        )
        running = asyncio.create_task(clearance.run())
        clearance.offer(begun, begun)
        await asyncio.sleep(0.1)
        assert (shown, clearance.cleared) == ([], len(begun))
        clearance.offer(f"{begun}te. Then", f"{begun}te. Then")
        await until(shown, f"{begun}te.")
        assert shown == [f"{begun}te."]
        clearance.offer(f"{begun}te. Then a heron. It", f"{begun}te. Then a heron. It")
        with pytest.raises(OutputBlocked):
            await asyncio.wait_for(running, 5)


async def test_the_rest_is_judged_with_the_look_up_that_nobody_sees(database: Database) -> None:
    shown: list[str] = []
    async with stub_service(flags=FLAGS) as stub, clearing(database, stub, shown) as clearance:
        with pytest.raises(OutputBlocked):
            await clearance.finish("A gull came\n\n>>> heron\n>>> en")
        await clearance.finish("A gull came\n\n>>> tern\n>>> en")


async def test_without_a_service_everything_is_shown_as_it_comes(database: Database) -> None:
    shown: list[str] = []
    async with clearing(database, None, shown) as clearance:
        clearance.offer("A gu\n>", "A gu")
        assert shown == ["A gu"]
        assert clearance.cleared == len("A gu\n>")
        await clearance.finish("A gull")
        assert clearance.cleared == len("A gull")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("One. Two", "One."),
        ("One. Two. T", "One. Two."),
        ("Eins。二", "Eins。"),
        ("# A heading\nand", "# A heading\n"),
        ("no end yet", ""),
        ("word " * 100 + "half", "word " * 99 + "word"),
        ("字" * 450, "字" * 450),
    ],
)
def test_what_is_worth_judging_ends_behind_a_sentence_or_where_none_comes_a_word(
    database_url: str, text: str, part: str
) -> None:
    assert text[: judgeable(text, 0)] == part

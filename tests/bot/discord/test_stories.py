"""Stories as members live them: the whole bot on a simulated Discord, with scripted text from a real worker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.database.connection import Database
from bot.discord.absence import AbsenceReview
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

LONG = " ".join(f"Sentence number {n} of a long story." for n in range(120))


async def test_a_story_is_answered_in_its_own_thread(database: Database) -> None:
    engine = FakeEngine(replies=["Here is your dragon."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon, please")
        (message,) = await world.answered(thread)
        assert message.content == "Here is your dragon."
        assert set(message.buttons) == {"Again", "Go on", "Branch", "👍", "👎"}
        assert "a dragon, please" in world.texts(world.channel.id)[0]


async def test_the_thread_goes_on_with_the_conversation_in_mind(database: Database) -> None:
    engine = FakeEngine(replies=["First answer.", "Second answer."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon, please")
        await world.answered(thread)
        await world.members[0].send(world.handle(thread), "and a castle")
        messages = await world.answered(thread, 2)
        assert [m.content for m in messages] == ["First answer.", "Second answer."]
        assert [role for role, _ in engine.requests[-1].messages] == ["system", "user", "assistant", "user"]
        assert "Go on" in messages[0].buttons, "an older answer keeps its buttons"


async def test_a_look_up_becomes_an_embed_and_context_for_the_next_answer(database: Database) -> None:
    engine = FakeEngine(replies=["Charlotte says no.\n\n>>> Pride and Prejudice\n>>> en", "As in the novel."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("what if Charlotte said no?")
        await world.until(lambda: any(m.embeds for m in world.shown(thread)))
        answer, page = world.shown(thread)
        assert answer.content == "Charlotte says no."
        assert "Pride and Prejudice" in str(page.embeds[0].title)
        assert "bundled notes" in str(page.embeds[0].footer.text)
        await world.members[0].send(world.handle(thread), "five beats please")
        await world.answered(thread, 2)
        last = engine.requests[-1].messages
        assert ">>> Pride and Prejudice\n>>> en" in last[2][1], "the model sees what it asked for"
        assert "Jane Austen" in last[3][1]
        assert last[3][1].endswith("five beats please")


async def test_an_answer_that_goes_on_may_look_up_something_else(database: Database) -> None:
    engine = FakeEngine(
        replies=[
            "Mary says yes.\n\n>>> Pride and Prejudice\n>>> en",
            "Mary says yes. So does Leia.\n\n>>> Hoth\n>>> en",
        ]
    )
    async with open_world(database, engine) as world:
        thread = await world.start_story("what if?")
        messages = await world.answered(thread)
        await world.press(messages[0], "Go on")
        await world.until(lambda: sum(bool(m.embeds) for m in world.shown(thread)) == 2)
        titles = [str(m.embeds[0].title) for m in world.shown(thread) if m.embeds]
        assert "Pride and Prejudice" in titles[0]
        assert "Hoth" in titles[1]
        assert world.texts(thread)[0] == "Mary says yes. So does Leia."


async def test_an_answer_that_is_nothing_but_a_look_up_is_written_again_with_the_page(
    database: Database,
) -> None:
    engine = FakeEngine(replies=[">>> Pride and Prejudice\n>>> en", "Now I know."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("P&P, but Mary")
        messages = await world.answered(thread)
        await world.until(lambda: len(world.shown(thread)) == 2)
        assert messages[0].content == "Now I know."
        assert "Jane Austen" in engine.requests[-1].messages[-1][1]


async def test_stop_keeps_what_there_is_and_frees_the_workers_slot(database: Database) -> None:
    engine = FakeEngine(replies=[LONG], tokens_per_second=100)
    async with open_world(database, engine) as world:
        thread = await world.start_story("a long one")
        await world.until(
            lambda: any("Stop" in m.buttons and "Sentence" in m.content for m in world.shown(thread))
        )
        await world.press(world.shown(thread)[-1], "Stop")
        (message,) = await world.answered(thread)
        assert LONG.startswith(message.content.strip()[:100])
        assert len(message.content) < len(LONG)
        await world.until(lambda: engine.load.running == 0, 2)


async def test_regenerating_keeps_the_older_answer_to_page_back_to(database: Database) -> None:
    engine = FakeEngine(replies=["The first try.", "The second try."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon")
        (first,) = await world.answered(thread)
        await world.press(first, "Again")
        await world.until(
            lambda: world.texts(thread) == ["The second try."] and "◀️" in world.shown(thread)[0].buttons
        )
        await world.press(world.shown(thread)[0], "◀️")
        await world.until(lambda: world.texts(thread) == ["The first try."])
        assert "▶️" in world.shown(thread)[0].buttons
        assert "◀️" not in world.shown(thread)[0].buttons


async def test_going_on_continues_the_same_answer(database: Database) -> None:
    engine = FakeEngine(replies=["Once upon a time", "Once upon a time there was a dragon."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon")
        (first,) = await world.answered(thread)
        await world.press(first, "Go on")
        await world.until(lambda: world.texts(thread) == ["Once upon a time there was a dragon."])
        assert engine.requests[-1].continues


async def test_a_full_queue_is_said_at_once(database: Database) -> None:
    engine = FakeEngine(tokens_per_second=10)
    async with open_world(database, engine, worker_slots=1, queue_limit=1) as world:
        await world.start_story("!words 50", member=0)
        await world.until(lambda: engine.load.running == 1)
        await world.start_story("!words 50", member=1)
        result = await world.members[2].slash(world.channel, "story start", prompt="me too")
        assert "So many stories are waiting" in await world.reply(result)
        assert len(world.threads) == 2


async def two_stories_and_a_busy_worker(world: World) -> list[int]:
    """The threads of two members, whose answers are there; a third member's answer takes the only slot."""
    threads = []
    for member in range(2):
        threads.append(await world.start_story("hello", member=member))
        await world.answered(threads[-1])
    await world.start_story("!words 200", member=2)
    await world.until(lambda: world.engine.load.running == 1)
    return threads


async def test_whom_others_leave_no_room_is_told_while_their_threads_are_still_looked_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(tokens_per_second=10)
    async with open_world(database, engine, worker_slots=1, queue_limit=1) as world:
        threads = await two_stories_and_a_busy_worker(world)
        looking = asyncio.Event()

        async def look(*_: object) -> None:
            await looking.wait()

        monkeypatch.setattr(AbsenceReview, "before", look)
        await world.members[0].send(world.handle(threads[0]), "and then?")
        await world.members[1].send(world.handle(threads[1]), "and then?")
        await world.until(
            lambda: any("So many stories are waiting" in text for text in world.texts(threads[1]))
        )
        looking.set()
        assert not any("So many" in text for text in world.texts(threads[0]))


async def test_whom_others_leave_no_room_is_told_before_those_are_written_down(database: Database) -> None:
    engine = FakeEngine(tokens_per_second=10)
    async with open_world(database, engine, worker_slots=1, queue_limit=1) as world:
        threads = await two_stories_and_a_busy_worker(world)
        writing, written = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with database.transaction():
                writing.set()
                await written.wait()

        writer = asyncio.create_task(write())
        await writing.wait()
        await world.members[0].send(world.handle(threads[0]), "and then?")
        await world.members[1].send(world.handle(threads[1]), "and then?")
        await world.until(
            lambda: any("So many stories are waiting" in text for text in world.texts(threads[1]))
        )
        written.set()
        await writer
        assert not any("So many" in text for text in world.texts(threads[0]))


async def test_an_answer_that_breaks_off_is_gone_on_with(database: Database) -> None:
    engine = FakeEngine()
    async with open_world(database, engine) as world:
        thread = await world.start_story("!fail\nsome words to be half said")
        (message,) = await world.answered(thread)
        assert message.content == "some words to be half said"
        assert [request.continues for request in engine.requests] == [False, True]


@pytest.mark.parametrize("when", ["while streaming", "after the answer"])
async def test_a_restart_goes_on_where_it_was(database: Database, tmp_path: Path, when: str) -> None:
    text = LONG[:600]
    engine = FakeEngine(replies=[text, text, "And then."], tokens_per_second=150)
    async with open_world(database, engine) as world:
        thread = await world.start_story("a long one")
        if when == "while streaming":
            await world.until(lambda: any("Sentence number 3" in t for t in world.texts(thread)))
        else:
            await world.answered(thread)
        backend = world.env.backend
    engine = FakeEngine(replies=[text, "And then."] if when == "while streaming" else ["And then."])
    async with open_world(database, engine, backend=backend) as world:
        (message,) = await world.answered(thread)
        assert message.content == text.strip(), "no text lost or doubled"
        if when == "while streaming":
            assert engine.requests[0].continues
        await world.members[0].send(world.handle(thread), "go on")
        messages = await world.answered(thread, 2)
        assert messages[-1].content == "And then."
        await world.press(messages[-1], "👍")

"""Steering a story by button and by command: the whole bot on a simulated Discord."""

from __future__ import annotations

import pytest
from simcord import InteractionResult
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Feedback
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STRANGER = 2


async def two_exchanges(world: World) -> int:
    thread = await world.start_story("a dragon")
    await world.answered(thread)
    await world.members[0].send(world.handle(thread), "and a castle")
    await world.answered(thread, 2)
    return thread


async def story(world: World, thread: int, command: str, member: int = 0, **options: object) -> str:
    result = await world.members[member].slash(world.handle(thread), f"story {command}", **options)
    return await world.reply(result)


async def test_a_press_on_branch_goes_on_from_that_answer_and_says_so(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First.", "Second.", "Third."])) as world:
        thread = await two_exchanges(world)
        first = world.shown(thread)[0]
        result = await world.press(first, "Branch")
        said = await followed(world, result)
        assert said.startswith("🌿 The story goes on from an earlier answer: First.")
        assert f"/{thread}/{first.id}" in said
        assert said in world.texts(thread), "for all to see"
        await world.members[0].send(world.handle(thread), "no castle")
        await world.until(lambda: "Third." in world.texts(thread))
        asked = [content for role, content in world.engine.requests[-1].messages if role != "system"]
        assert asked == ["a dragon", "First.", "no castle"]


async def test_a_press_on_branch_where_the_story_stands_changes_nothing(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First."])) as world:
        thread = await world.start_story("a dragon")
        (message,) = await world.answered(thread)
        result = await world.press(message, "Branch")
        assert "from this answer already" in await followed(world, result)
        assert world.texts(thread) == ["First."]


async def test_undo_takes_the_last_exchange_back_and_a_button_brings_it_back(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First.", "Second."])) as world:
        thread = await two_exchanges(world)
        said = await story(world, thread, "undo")
        assert said.startswith("↩️ Ada took back the last exchange: and a castle")
        await world.until(lambda: "This was taken back" in world.texts(thread)[1])
        castle = next(m for m in world.env.backend.messages[thread].values() if m.content == "and a castle")
        await world.until(lambda: castle.reactions)
        taken = world.shown(thread)[1]
        assert set(taken.buttons) == {"Bring it back"}
        await world.press(taken, "Bring it back")
        await world.until(lambda: world.texts(thread)[1] == "Second.")
        await world.until(lambda: not castle.reactions)
        assert "Branch" in world.shown(thread)[1].buttons


async def test_the_branch_command_finds_answers_by_their_words(database: Database) -> None:
    engine = FakeEngine(replies=["First of all.", "Second thoughts.", "Third."])
    async with open_world(database, engine) as world:
        thread = await two_exchanges(world)
        choices = await world.members[0].autocomplete(world.handle(thread), "story branch", "answer", "")
        assert [choice["name"] for choice in choices] == ["1 · First of all."]
        said = await story(world, thread, "branch", answer=choices[0]["value"])
        assert "First of all." in said
        assert "Second thoughts." in await story(world, thread, "branch", answer="second th")
        assert "cannot find that answer" in await story(world, thread, "branch", answer="answer:99999")


async def test_the_last_answer_is_written_anew_and_on_by_command(database: Database) -> None:
    engine = FakeEngine(replies=["Once upon", "There was", "There was a dragon."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon")
        await world.answered(thread)
        assert "at it" in await story(world, thread, "regenerate")
        await world.until(lambda: world.texts(thread) == ["There was"])
        await world.answered(thread)
        assert "at it" in await story(world, thread, "continue")
        await world.until(lambda: world.texts(thread) == ["There was a dragon."])
        assert engine.requests[-1].continues


async def test_an_answer_is_stopped_by_command(database: Database) -> None:
    engine = FakeEngine(replies=["Slow. " * 100], tokens_per_second=40)
    async with open_world(database, engine) as world:
        thread = await world.start_story("a long one")
        await world.until(lambda: any("Slow." in text for text in world.texts(thread)))
        assert "Stopped" in await story(world, thread, "stop")
        await world.answered(thread)
        assert "not writing anything" in await story(world, thread, "stop")


async def test_the_language_is_said_and_set_in_itself(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First.", "Zweite."])) as world:
        thread = await world.start_story("a dragon")
        await world.answered(thread)
        assert "English" in await story(world, thread, "language")
        choices = await world.members[0].autocomplete(
            world.handle(thread), "story language", "language", "deu"
        )
        assert [choice["value"] for choice in choices] == ["de"]
        assert "Deutsch" in await story(world, thread, "language", language="de")
        await world.members[0].send(world.handle(thread), "and a castle")
        await world.answered(thread, 2)
        assert "German (de)" in world.engine.requests[-1].messages[0][1]


async def test_a_closed_story_is_silent_and_archived_until_it_is_opened_again(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First.", "Second."])) as world:
        thread = await world.start_story("a dragon")
        (answer,) = await world.answered(thread)
        assert "This story is closed" in await story(world, thread, "close")
        metadata = world.env.backend.channels[thread].thread_metadata
        assert metadata is not None
        await world.until(lambda: metadata.archived)
        assert "story is closed" in await followed(world, await world.press(answer, "Again"))
        note = world.shown(thread)[-1]
        refused = await world.press(note, "Open again", member=STRANGER)
        assert "Only those who write in this story" in await followed(world, refused)
        await world.press(note, "Open again")
        await world.until(lambda: "open again" in world.texts(thread)[-1])
        assert not metadata.archived
        await world.members[0].send(world.handle(thread), "more")
        await world.until(lambda: "Second." in world.texts(thread))


@pytest.mark.parametrize("command", ["regenerate", "continue", "undo", "close", "stop"])
async def test_strangers_steer_nothing_by_command(database: Database, command: str) -> None:
    async with open_world(database, FakeEngine(replies=["First."])) as world:
        thread = await world.start_story("a dragon", member=1)
        await world.answered(thread)
        result = await world.members[STRANGER].slash(world.handle(thread), f"story {command}")
        assert "Only those who write in this story" in await world.reply(result)
        assert result.ephemeral
        assert world.texts(thread) == ["First."]


async def test_a_command_where_no_story_is_written_says_so(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        result = await world.members[0].slash(world.channel, "story undo")
        assert "no story in this channel" in await world.reply(result)
        assert result.ephemeral


async def test_a_thumb_down_counts_at_once_and_its_reason_when_the_form_is_sent(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First."])) as world:
        thread = await world.start_story("a dragon")
        (answer,) = await world.answered(thread)
        form = await world.press(answer, "👎", member=STRANGER)
        assert form.modal is not None
        assert await verdicts(database) == [(-1, None)]
        sent = await world.members[STRANGER].submit_modal(form, {"reason": "out of character"})
        assert "Noted" in await world.reply(sent)
        assert await verdicts(database) == [(-1, "out of character")]


async def test_buttons_and_an_open_form_outlive_a_restart(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First.", "Second."])) as world:
        thread = await two_exchanges(world)
        form = await world.press(world.shown(thread)[0], "👎")
        backend = world.env.backend
    async with open_world(database, FakeEngine(), backend=backend) as world:
        form._env = world.env  # the form is still open on the member's screen
        await world.members[0].submit_modal(form, {"reason": "too short"})
        assert await verdicts(database) == [(-1, "too short")]
        await world.press(world.shown(thread)[0], "Branch")
        await world.until(lambda: "goes on from an earlier answer" in world.texts(thread)[-1])


async def verdicts(database: Database) -> list[tuple[int, str | None]]:
    async with database.transaction() as session:
        return [(row.rating, row.reason) for row in await session.scalars(select(Feedback))]


async def followed(world: World, result: InteractionResult) -> str:
    """What the bot said to a press, besides the message that the button is under."""
    await world.until(lambda: result.followups)
    return result.followups[-1].content

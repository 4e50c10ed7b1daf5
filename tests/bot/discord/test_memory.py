"""Pins and the look into the prompt: the whole bot on a simulated Discord."""

from __future__ import annotations

import discord
import pytest
from simcord import InteractionResult

from bot.database.connection import Database
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STRANGER = 2


async def begun(world: World) -> int:
    thread = await world.start_story("a dragon")
    await world.answered(thread)
    return thread


async def embedded(world: World, result: InteractionResult) -> discord.Embed:
    await world.until(lambda: result.response is not None and result.response.embeds)
    assert result.response is not None
    return result.response.embeds[0]


async def test_what_is_pinned_is_told_to_the_model_and_to_everybody(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First."] * 3), thread_titles=False) as world:
        thread = await begun(world)
        result = await world.members[0].slash(
            world.handle(thread), "story pin", text="Otto is @everyone's dragon."
        )
        said = await world.reply(result)
        assert said.startswith("📌 **Ada** pinned this to the story:\n> Otto is @")
        assert not result.ephemeral
        await world.members[1].send(world.handle(thread), "go on")
        await world.answered(thread, 2)
        first = world.engine.requests[-1].messages[1][1]
        assert first.startswith(
            "[Story bible: this holds throughout the story]\n- Otto is @everyone's dragon.\n"
        )


async def test_a_passage_of_an_answer_is_pinned_by_the_message_command(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Otto is green. He likes tea."])) as world:
        thread = await begun(world)
        answer = world.shown(thread)[0]
        form = await world.members[0].context_menu(world.handle(thread), "Pin to the story", answer.stored)
        assert form.modal is not None
        assert "Otto is green. He likes tea." in str(form.modal)
        sent = await world.members[0].submit_modal(form, {"passage": "Otto is green."})
        assert "> Otto is green." in await world.reply(sent)
        assert [pin.text for pin in await world.bot.parts.conversations.pins(thread)] == ["Otto is green."]


async def test_pins_are_listed_and_removed_by_those_who_write(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First."])) as world:
        thread = await begun(world)
        for text in ("Otto is green.", "It is winter."):
            await world.members[0].slash(world.handle(thread), "story pin", text=text)
        result = await world.members[0].slash(world.handle(thread), "story pins")
        listed = await embedded(world, result)
        assert result.ephemeral
        assert "**1.** Otto is green." in str(listed.description)
        assert listed.footer.text == "2 of 20 pins"
        assert result.response is not None
        pins = await world.bot.parts.conversations.pins(thread)
        removing = await world.members[0].select(result.response, [str(pins[0].id)])
        await world.until(lambda: removing.followups)
        assert "Otto is green." in removing.followups[0].content
        left = await world.bot.parts.conversations.pins(thread)
        assert [pin.text for pin in left] == ["It is winter."]
        refused = await world.members[STRANGER].slash(world.handle(thread), "story pins")
        assert "Only those who write in this story" in await world.reply(refused)


async def test_the_limits_are_said_in_words(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First."])) as world:
        thread = await begun(world)
        for _ in range(2):
            result = await world.members[0].slash(world.handle(thread), "story pin", text="Otto is green.")
        assert (await world.reply(result)).startswith("That is pinned to this story already.")
        assert result.ephemeral
        result = await world.members[0].slash(world.channel, "story pin", text="Otto is green.")
        assert "no story in this channel" in await world.reply(result)


async def test_the_context_is_shown_to_who_asked_page_by_page(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["First."])) as world:
        thread = await begun(world)
        await world.members[0].slash(world.handle(thread), "story pin", text="Otto is green.")
        result = await world.members[STRANGER].slash(world.handle(thread), "story context", file=True)
        overview = str((await embedded(world, result)).description)
        assert result.ephemeral
        assert result.response is not None
        assert "of 8,192 tokens are in use; 700 are kept for the answer." in overview
        assert "Story bible (1)" in overview
        (attachment,) = result.response.message.attachments
        assert attachment.filename == "prompt.txt"
        buttons = [item for row in result.response.components for item in row["components"]]
        await world.members[STRANGER].click(result.response, custom_id=str(buttons[-1]["custom_id"]))
        await world.until(lambda: "Otto is green." in str(result.response.embeds[0].description))
        assert "**You:** a dragon" in str(result.response.embeds[0].description)


async def test_an_answer_in_the_wrong_language_is_replaced_as_it_streams_in(database: Database) -> None:
    english = "The dragon looked up from his tea and sighed, because the knights had come back again. " * 8
    german = "Der Drache blickte von seinem Tee auf und seufzte, denn die Ritter waren schon wieder da."
    engine = FakeEngine(replies=[english, german], tokens_per_second=150)
    async with open_world(database, engine) as world:
        thread = await world.start_story("Schreib mir bitte eine Szene mit einem alten Drachen")
        await world.until(lambda: any(text.startswith("The dragon") for text in world.texts(thread)))
        await world.answered(thread)
        assert world.texts(thread) == [german]
        assert "German (Deutsch)" in engine.requests[1].messages[-1][1]

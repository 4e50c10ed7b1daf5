"""`/canon`: the whole bot on a simulated Discord, with a stand-in for Wikipedia and without."""

from __future__ import annotations

import discord
import pytest
from simcord import InteractionResult

from bot.database.connection import Database
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world
from tests.model.wikipedia.conftest import StandIn, answering, pages, stand_in

__all__ = ["stand_in"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STRANGER = 2
DUNE = {"title": "Dune", "extract": "A novel by Frank Herbert.", "fullurl": "https://en.wikipedia.org/wiki/Dune",
        "lastrevid": 42}  # fmt: skip
FILM = {
    "title": "Dune (2021 film)",
    "extract": "A film.",
    "fullurl": "https://en.wikipedia.org/wiki/Dune_2021",
}


async def shown(world: World, result: InteractionResult) -> discord.Embed:
    await world.until(lambda: result.response is not None and result.response.embeds)
    assert result.response is not None
    return result.response.embeds[0]


def button(result: InteractionResult, label: str) -> str:
    assert result.response is not None
    items = [item for row in result.response.components for item in row["components"]]
    return next(
        str(item["custom_id"])
        for item in items
        if label in (item.get("label"), (item.get("emoji") or {}).get("name"))
    )


async def test_what_is_found_is_paged_and_used_in_the_story(database: Database, stand_in: StandIn) -> None:
    stand_in.answer = answering(pages(DUNE, FILM))
    engine = FakeEngine(replies=["First.", "Second."])
    async with open_world(database, engine, wikipedia_url=stand_in.url_template) as world:
        thread = await world.start_story("a desert story")
        await world.answered(thread)
        result = await world.members[0].slash(world.handle(thread), "canon", term="Dune")
        embed = await shown(world, result)
        assert not result.ephemeral
        assert "Dune" in str(embed.title)
        assert embed.footer.text == "Wikipedia (English), revision 42, CC BY-SA 4.0"
        assert result.response is not None
        await world.members[0].click(result.response, custom_id=button(result, "▶️"))
        await world.until(lambda: "2021" in str(result.response.embeds[0].title))
        refused = await world.members[STRANGER].click(result.response, custom_id=button(result, "Use this"))
        assert "Only those who write in this story" in await world.reply(refused)
        await world.members[0].click(result.response, custom_id=button(result, "Use this"))
        await world.until(lambda: "put this into the story" in result.response.content)
        assert result.response.components == []
        await world.members[0].send(world.handle(thread), "go on")
        await world.answered(thread, 2)
        assert engine.requests[-1].messages[-1][1] == (
            "[Notes]\nDune (2021 film) (en)\nA film.\n[End of notes]\n\ngo on"
        )


async def test_without_a_network_the_bundled_notes_answer(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        result = await world.members[0].slash(world.channel, "canon", term="Pride and Prejudice")
        embed = await shown(world, result)
        assert "Pride and Prejudice" in str(embed.title)
        assert "bundled notes" in str(embed.footer.text)
        assert result.response is not None
        labels = [item.get("label") for row in result.response.components for item in row["components"]]
        assert "Use this" not in labels, "there is no story here"
        nothing = await world.members[0].slash(world.channel, "canon", term="Zzyzx")
        assert "I found nothing about that." in await world.reply(nothing)
        assert nothing.ephemeral


async def test_a_bundled_note_says_nothing_of_a_wikipedia_that_answered(
    database: Database, stand_in: StandIn
) -> None:
    stand_in.answer = answering(pages())
    async with open_world(database, FakeEngine(), wikipedia_url=stand_in.url_template) as world:
        result = await world.members[0].slash(world.channel, "canon", term="Pride and Prejudice")
        footer = str((await shown(world, result)).footer.text)
        assert footer == "This is one of FanFabler's bundled notes, CC BY-SA 4.0"
        assert stand_in.requests


async def test_pages_are_turned_by_who_asked_and_for_a_while_only(
    database: Database, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord.paging._OPEN_SECONDS", 1.5)
    stand_in.answer = answering(pages(DUNE, FILM))
    async with open_world(database, FakeEngine(), wikipedia_url=stand_in.url_template) as world:
        result = await world.members[0].slash(world.channel, "canon", term="Dune")
        await shown(world, result)
        assert result.response is not None
        refused = await world.members[STRANGER].click(result.response, custom_id=button(result, "▶️"))
        assert "Only who asked" in await world.reply(refused)
        assert "2021" not in str(result.response.embeds[0].title)
        await world.until(lambda: result.response is not None and result.response.components == [])


async def test_what_is_typed_is_completed_in_the_members_language(
    database: Database, stand_in: StandIn
) -> None:
    stand_in.answer = answering({"query": {"prefixsearch": [{"title": "Faust (Band)"}]}})
    async with open_world(database, FakeEngine(), wikipedia_url=stand_in.url_template) as world:
        world.env.backend.set_locale(world.members[0].id, "de")
        found = await world.members[0].autocomplete(world.channel, "canon", "term", "faust")
        names = [choice["name"] for choice in found]
        assert any(name.startswith("Faust") for name in names[:-1])
        assert names[-1] == "Faust (Band)"
        assert stand_in.requests[-1].path.startswith("/de/")

"""`/story export` as members live it: the whole bot on a simulated Discord."""

from __future__ import annotations

import discord
from simcord import InteractionResult

from bot.database.connection import Database
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

FILLED = (
    "Title: Tea\nCharacters: Smaug\nSummary: A dragon called Smaug learns how to make tea for its guests."
)


async def export(world: World, thread: int, member: int = 0, **options: object) -> InteractionResult:
    """The command, until its file is there."""
    result = await world.members[member].slash(world.handle(thread), "story export", **options)
    await world.until(lambda: result.response and result.response.attachments)
    return result


async def contents(result: InteractionResult) -> dict[str, str]:
    assert result.response is not None
    return {
        attachment.filename: (await attachment.read()).decode() for attachment in result.response.attachments
    }


def shown(result: InteractionResult) -> discord.Embed:
    assert result.response is not None
    return result.response.embeds[0]


async def test_a_story_is_exported_its_details_changed_and_exported_again(database: Database) -> None:
    engine = FakeEngine(replies=["Smaug made tea.", FILLED])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon, please")
        await world.answered(thread)
        result = await export(world, thread, format="ao3")
        assert result.ephemeral
        files = await contents(result)
        (text,) = [content for name, content in files.items() if name.endswith(".html")]
        assert text.startswith("<p>Smaug made tea.</p>")
        assert "a dragon, please" not in text
        assert str(shown(result).description).startswith("A dragon called Smaug")

        assert result.response is not None
        opened = await world.members[0].click(result.response, label="Rating and tags")
        values = {"rating": ["Mature"], "warnings": ["No Archive Warnings Apply"], "tags": "Tea，Dragons"}
        await world.members[0].submit_modal(opened, values)
        await world.until(lambda: "Mature" in str(shown(result).fields))
        form = next(content for name, content in (await contents(result)).items() if name.endswith(".txt"))
        assert "Archive Warnings:\nNo Archive Warnings Apply\n" in form
        assert "Additional Tags:\nTea, Dragons\n" in form
        assert len(engine.requests) == 2, "the model is not asked again for the same text"


async def test_the_talk_is_in_it_on_demand_and_others_may_read_but_not_change_it(database: Database) -> None:
    engine = FakeEngine(replies=["Smaug made tea.", FILLED])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon, please")
        await world.answered(thread)
        result = await export(world, thread, member=1, talk=True)
        ((name, text),) = (await contents(result)).items()
        assert name.endswith(".md")
        assert "**Ada**\n\na dragon, please\n\n**FanFabler**\n\nSmaug made tea." in text
        assert result.response is not None
        refused = await world.members[1].click(result.response, label="Title and summary")
        assert "Only those who write in this story" in await world.reply(refused)


async def test_where_there_is_no_story_it_says_so(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        result = await world.members[0].slash(world.channel, "story export")
        assert "no story in this channel" in await world.reply(result)

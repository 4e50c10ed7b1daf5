"""`/privacy` as members meet it: the whole bot on a simulated Discord."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import discord
import pytest
from simcord import InteractionResult
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Takedown
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ADA, BEN = 0, 1


async def press(world: World, result: InteractionResult, action: str, member: int = ADA) -> str:
    """Press one of the buttons that only the member sees, and return what it then says."""
    messages = [*([result.response] if result.response else []), *result.followups]
    message = next(message for message in messages if f"fp:{action}" in str(message.components))
    assert message.ephemeral
    before = message.content
    await world.members[member].click(message, custom_id=f"fp:{action}")
    stored = world.env.backend.messages[message.channel_id][message.id]
    await world.until(lambda: stored.content not in (before, "I am deleting it …"))
    return stored.content


async def test_a_member_gets_their_own_words_as_a_file_that_only_they_see(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["An answer.", "Another."])) as world:
        thread = await world.start_story("a dragon for Ada")
        await world.answered(thread)
        await world.members[BEN].send(world.handle(thread), "and a castle for Ben")
        await world.answered(thread, 2)
        result = await world.members[ADA].slash(world.channel, "privacy export")
        assert "all that I have of you" in await world.reply(result)
        (message,) = [m for m in (result.response, *result.followups) if m and m.attachments]
        assert message.ephemeral
        content = await message.attachments[0].read()
        document = json.loads(content)
        assert "a dragon for Ada" in content.decode()
        assert "for Ben" not in content.decode()
        assert document["member_id"] == str(world.members[ADA].id)


async def test_deleting_everything_takes_down_what_the_bot_posted_in_a_story_of_ones_own(
    database: Database, tmp_path: Path
) -> None:
    engine = FakeEngine(replies=["Only for Ada.", "For both."])
    async with open_world(database, engine, deletion_log=str(tmp_path / "log.jsonl")) as world:
        alone = await world.start_story("a dragon for Ada")
        await world.answered(alone)
        both = await world.start_story("a castle for both")
        await world.answered(both)
        await world.members[BEN].send(world.handle(both), "and Ben")
        await world.answered(both, 2)
        asked = await world.members[ADA].slash(world.channel, "privacy delete")
        receipt = await press(world, asked, "eraseall")
        assert "- 1 whole story" in receipt
        assert "- 2 messages of yours" in receipt
        assert "keeps what it learned" in receipt
        await world.until(lambda: world.texts(alone) == [])
        await world.until(lambda: world.texts(world.channel.id) == [])
        await world.until(lambda: world.env.backend.channels[both].name == "A story")
        assert world.texts(both)[0] == "For both.", "what others read stays"
        assert world.env.backend.messages[both], "and so does what members wrote themselves"
        await world.members[BEN].send(world.handle(both), "on we go")
        await world.answered(both, 3)
        assert "castle for both" not in str(engine.requests[-1].messages)


async def test_the_deletion_happens_though_the_message_with_the_button_is_gone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    async with open_world(database, FakeEngine(replies=["Mine."]), deletion_log=str(log)) as world:
        thread = await world.start_story("a dragon")
        await world.answered(thread)
        asked = await world.members[ADA].slash(world.channel, "privacy delete")
        assert asked.response is not None
        message = asked.response
        acknowledge = discord.InteractionResponse.defer

        async def then_it_is_gone(response: discord.InteractionResponse[discord.Client]) -> None:
            await acknowledge(response)
            del world.env.backend.messages[message.channel_id][message.id]

        monkeypatch.setattr(discord.InteractionResponse, "defer", then_it_is_gone)
        pressed = await world.members[ADA].click(message, custom_id="fp:erase")
        receipt = await world.reply(pressed)
        assert "- 1 whole story" in receipt
        assert not await world.bot.parts.conversations.holds(thread)


async def test_keeping_everything_deletes_nothing(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with open_world(database, FakeEngine(replies=["Mine."]), deletion_log=str(log)) as world:
        thread = await world.start_story("a dragon")
        await world.answered(thread)
        asked = await world.members[ADA].slash(world.channel, "privacy delete")
        assert await press(world, asked, "keep") == "Nothing was deleted."
        assert await world.bot.parts.conversations.holds(thread)
        assert not log.exists()


async def test_consent_is_asked_for_once_after_a_thumbs_up_and_is_off_until_given(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Mine."])) as world:
        thread = await world.start_story("a dragon")
        (message,) = await world.answered(thread)
        first = await world.press(message, "👍")
        await world.until(lambda: len(first.followups) == 1)
        assert not await world.bot.parts.privacy.consent(world.members[ADA].id)
        assert "may help to train the model" in await press(world, first, "yes")
        assert await world.bot.parts.privacy.consent(world.members[ADA].id)
        second = await world.press(world.shown(thread)[-1], "👍")  # takes it back
        third = await world.press(world.shown(thread)[-1], "👍")
        assert "Noted" in await world.reply(third)
        assert (second.followups, third.followups) == ([], [])
        revoked = await world.members[ADA].slash(world.channel, "privacy training-consent", allowed=False)
        assert "is not trained on" in await world.reply(revoked)
        assert not await world.bot.parts.privacy.consent(world.members[ADA].id)


async def test_who_does_not_answer_is_not_asked_again(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Mine.", "Yours."])) as world:
        thread = await world.start_story("a dragon", BEN)
        (message,) = await world.answered(thread)
        first = await world.press(message, "👍", BEN)
        await world.until(lambda: len(first.followups) == 1)
        await world.members[BEN].send(world.handle(thread), "more")
        messages = await world.answered(thread, 2)
        again = await world.press(messages[-1], "👍", BEN)
        assert "Noted" in await world.reply(again)
        assert again.followups == []


async def test_what_members_wrote_themselves_on_discord_is_not_touched(
    database: Database, tmp_path: Path
) -> None:
    engine = FakeEngine(replies=["From a mention."])
    async with open_world(database, engine, deletion_log=str(tmp_path / "log.jsonl")) as world:
        assert world.bot.user is not None
        own = await world.members[ADA].send(world.channel, f"<@{world.bot.user.id}> write me a heist")
        await world.until(lambda: world.threads)
        thread = world.threads[0]
        await world.answered(thread)
        asked = await world.members[ADA].slash(world.channel, "privacy delete")
        await press(world, asked, "eraseall")
        await world.until(lambda: world.texts(thread) == [])

        async def due() -> int:
            async with database.transaction() as session:
                return len((await session.scalars(select(Takedown))).all())

        async with asyncio.timeout(10):
            while await due():
                await asyncio.sleep(0.05)
        assert own.id in world.env.backend.messages[world.channel.id]

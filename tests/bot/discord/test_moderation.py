"""A moderation service at work in threads: the whole bot on a simulated Discord, with harmless words that a stub
service is told to flag."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
import pytest
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Direction, Message, MessageStatus, ModerationEvent
from model.engine.fake import FakeEngine
from tests.bot.moderation.stub import service_at, stub_service
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FLAGS = {"heron": ("sexual", "S12"), "anvil": ("sexual/minors", "S4")}
OWNER, MEMBER = 0, 1
NOBODY = 4_242_424_242


@asynccontextmanager
async def moderated(database: Database, engine: FakeEngine) -> AsyncIterator[World]:
    async with (
        stub_service(flags=FLAGS) as stub,
        service_at(stub) as service,
        open_world(database, engine, moderation=service) as world,
    ):
        yield world


async def test_a_blocked_prompt_is_said_to_its_member_alone_and_leaves_nothing(database: Database) -> None:
    async with moderated(database, FakeEngine()) as world:
        result = await world.members[MEMBER].slash(world.channel, "story start", prompt="about a heron")
        said = await world.reply(result)
        assert "content check" in said
        assert "sexual content" in said
        assert "heron" not in said
        assert world.texts(world.channel.id) == []
        assert world.threads == []


async def test_a_blocked_message_gets_a_reply_and_the_story_goes_on_without_it(database: Database) -> None:
    engine = FakeEngine(replies=["One.", "Two."])
    async with moderated(database, engine) as world:
        thread = await world.start_story("a gull", MEMBER)
        await world.answered(thread)
        await world.members[MEMBER].send(world.handle(thread), "and a heron")
        await world.until(lambda: "content check" in world.texts(thread)[-1])
        await world.members[MEMBER].send(world.handle(thread), "and a tern")
        await world.answered(thread, 2)
        assert "heron" not in str(engine.requests[-1].messages)


async def test_a_blocked_answer_is_taken_back_and_can_be_tried_again(database: Database) -> None:
    text = "A gull came over the harbour. " + "It was white. " * 30 + "And then came a heron. Rain fell."
    engine = FakeEngine(replies=[text, "A tern came."], tokens_per_second=40)
    async with moderated(database, engine) as world:
        thread = await world.start_story("a bird", MEMBER)
        await world.until(lambda: any("It was white." in shown for shown in world.texts(thread)))
        await world.until(lambda: "did not pass the content check" in world.texts(thread)[-1])
        assert not any("gull" in shown for shown in world.texts(thread))
        notice = world.shown(thread)[-1]
        assert set(notice.buttons) == {"Again"}
        await world.until(lambda: world.bot.parts.dispatcher.running == 0)
        await world.press(notice, "Again", MEMBER)
        await world.until(lambda: world.texts(thread) == ["A tern came."])
    async with database.transaction() as session:
        rows = (await session.execute(select(Message.status, Message.content).order_by(Message.id))).all()
    assert (MessageStatus.BLOCKED, "") in [tuple(row) for row in rows]


async def test_moderators_are_told_who_and_where_but_not_what(database: Database) -> None:
    async with moderated(database, FakeEngine()) as world:
        desk = world.channel.guild.create_text_channel("moderators")
        await world.env.settle()
        set_up = await world.members[OWNER].slash(world.channel, "admin settings moderators", channel=desk)
        assert f"<#{desk.id}>" in await world.reply(set_up)
        refused = await world.members[MEMBER].slash(world.channel, "story start", prompt="about an anvil")
        assert "Nothing sexual about minors, ever" in await world.reply(refused)
        await world.until(lambda: world.texts(desk.id))
        (told,) = world.texts(desk.id)
        assert f"<@{world.members[MEMBER].id}>" in told
        assert f"<#{world.channel.id}>" in told
        assert "anvil" not in told


async def test_without_a_channel_for_moderators_the_owner_is_told(database: Database) -> None:
    async with moderated(database, FakeEngine()) as world:
        await world.members[MEMBER].slash(world.channel, "story start", prompt="about an anvil")

        def told() -> list[str]:
            return [
                message.content
                for channel_id, messages in world.env.backend.messages.items()
                if world.env.backend.channels[channel_id].type == discord.ChannelType.private.value
                for message in messages.values()
            ]

        await world.until(told)
        assert f"<@{world.members[MEMBER].id}>" in told()[0]


async def test_an_owner_who_cannot_be_found_keeps_no_report_from_anybody(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        with_a_channel = world.bot.get_guild(world.channel.guild.id)
        without = world.bot.get_guild(world.env.create_guild("Without a channel").id)
        assert with_a_channel is not None
        assert without is not None
        with_a_channel.owner_id = without.owner_id = NOBODY
        desk = world.channel.guild.create_text_channel("moderators")
        await world.env.settle()
        await world.members[OWNER].slash(world.channel, "admin settings moderators", channel=desk)
        async with database.transaction() as session:
            session.add_all([due(without.id), due(with_a_channel.id), due(without.id)])
        await world.bot.parts.reports.do_due()
        assert world.texts(desk.id)
    async with database.reading() as session:
        still = select(ModerationEvent.guild_id).where(ModerationEvent.report_due)
        assert list(await session.scalars(still)) == [without.id] * 2


async def test_a_report_that_breaks_keeps_no_other_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database, FakeEngine()) as world:
        other = world.bot.get_guild(world.env.create_guild("Other").id)
        assert other is not None
        desk = world.channel.guild.create_text_channel("moderators")
        await world.env.settle()
        await world.members[OWNER].slash(world.channel, "admin settings moderators", channel=desk)

        async def breaks(_: int) -> discord.User:
            raise RuntimeError

        monkeypatch.setattr(world.bot, "fetch_user", breaks)
        async with database.transaction() as session:
            session.add_all([due(other.id), due(world.channel.guild.id)])
        await world.bot.parts.reports.do_due()
        assert world.texts(desk.id)


def due(guild_id: int) -> ModerationEvent:
    """A report that is still to be made."""
    return ModerationEvent(
        guild_id=guild_id,
        channel_id=1,
        member_id=2,
        direction=Direction.INPUT,
        categories=["sexual/minors"],
        report_due=True,
    )


async def test_a_mature_story_begins_where_everything_is_there(database: Database) -> None:
    engine = FakeEngine(replies=["A heron came. And went."])
    async with moderated(database, engine) as world:
        channel = world.bot.get_channel(world.channel.id)
        assert isinstance(channel, discord.TextChannel)
        channel.nsfw = True
        allowed = await world.members[OWNER].slash(world.channel, "admin settings mature", allowed=True)
        assert "Mature stories are allowed" in await world.reply(allowed)
        thread = await world.start_story("about a heron", MEMBER, rating="mature")
        (message,) = await world.answered(thread)
        assert message.content == "A heron came. And went."
        assert "The story is rated mature" in engine.requests[0].messages[0][1]

"""What admins set, as they and their members meet it: the whole bot on a simulated Discord."""

from __future__ import annotations

import pytest
from simcord import ChannelHandle

from bot.database.connection import Database
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OWNER, MEMBER = 0, 1


async def admin(world: World, command: str, member: int = OWNER, **options: object) -> str:
    result = await world.members[member].slash(world.channel, f"admin {command}", **options)
    assert result.ephemeral
    return await world.reply(result)


def other_channel(world: World, name: str) -> ChannelHandle:
    return world.channel.guild.create_text_channel(name)


async def test_only_those_whom_the_server_lets_in_set_anything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database, FakeEngine()) as world:
        commands = await world.bot.tree.fetch_commands()
        command = next(found for found in commands if found.name == "admin")
        world.channel.guild.set_command_permissions(command, {world.members[MEMBER]: True})
        assert "each member: 5 answers" in await admin(world, "quota set", MEMBER, answers=5)
        # A Discord that lets through whom it should not.
        world.channel.guild.set_command_permissions(command, {world.members[MEMBER]: False})
        monkeypatch.setattr("simcord.actors._check_command_access", lambda *_: None)
        for member in (MEMBER, 2):
            said = await admin(world, "quota set", member, answers=7)
            assert "Only those who manage this server" in said


async def test_a_used_up_quota_is_said_to_the_member_alone_with_when_it_ends(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One."])) as world:
        assert "each member: 1 answer in 24 hours" in await admin(world, "quota set", answers=1)
        thread = await world.start_story("a dragon", MEMBER)
        await world.answered(thread)
        result = await world.members[MEMBER].slash(world.channel, "story start", prompt="another")
        said = await world.reply(result)
        assert "You have used up your one answer of the last 24 hours. The next one is free <t:" in said
        assert len(world.texts(world.channel.id)) == 1, "nothing of the second is seen in the channel"
        await world.members[MEMBER].send(world.handle(thread), "and a castle")
        await world.until(lambda: "You have used up" in world.texts(thread)[-1])


async def test_a_role_gives_its_members_more(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "Two."])) as world:
        role = world.channel.guild.create_role("patrons")
        await world.env.settle()
        await admin(world, "quota set", answers=0)
        said = await admin(world, "quota set", answers=5, at_once=2, who=role)
        assert f"<@&{role.id}>: 5 answers in 24 hours, 2 answers at once" in said
        refused = await world.members[MEMBER].slash(world.channel, "story start", prompt="a dragon")
        assert "have not given you any answers" in await world.reply(refused)
        guild = world.channel.guild
        world.env.backend.add_member_role(guild.id, world.members[MEMBER].id, role.id)
        await world.answered(await world.start_story("a dragon", MEMBER))
        listed = await admin(world, "quota list")
        assert "each member: 0 answers in 24 hours" in listed
        assert "is lifted" in await admin(world, "quota remove", who=role)


async def test_stories_begin_only_where_admins_let_them_and_go_on_where_they_are(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "Two."])) as world:
        thread = await world.start_story("a dragon", MEMBER)
        await world.answered(thread)
        elsewhere = other_channel(world, "stories")
        await world.env.settle()
        said = await admin(world, "settings channels", channel=elsewhere, rule="allow")
        assert f"Stories may begin in <#{elsewhere.id}> only." in said
        result = await world.members[MEMBER].slash(world.channel, "story start", prompt="another")
        assert f"Try it here: <#{elsewhere.id}>" in await world.reply(result)
        assert world.bot.user is not None
        await world.members[MEMBER].send(world.channel, f"<@{world.bot.user.id}> write me a heist")
        await world.until(lambda: "do not want stories begun" in world.texts(world.channel.id)[-1])
        assert len(world.threads) == 1
        await world.members[MEMBER].send(world.handle(thread), "and a castle")
        assert (await world.answered(thread, 2))[-1].content == "Two."


async def test_a_mature_story_is_refused_naming_what_is_missing(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One."])) as world:
        assert "set up no moderation service" in await admin(world, "settings mature", allowed=True)
        result = await world.members[MEMBER].slash(
            world.channel, "story start", prompt="a dragon", rating="mature"
        )
        said = await world.reply(result)
        assert "no moderation service" in said
        assert "not age-restricted" in said
        assert "not allowed it" not in said
        assert world.threads == []


async def test_the_rating_is_in_the_prompt_and_can_be_changed_by_those_who_write(database: Database) -> None:
    engine = FakeEngine(replies=["One.", "Two."])
    async with open_world(database, engine) as world:
        thread = await world.start_story("a dragon", MEMBER, rating="general")
        await world.answered(thread)
        assert "The story is rated general" in engine.requests[0].messages[0][1]
        handle = world.handle(thread)
        stranger = await world.members[2].slash(handle, "story rating", rating="teen")
        assert "Only those who write in this story" in await world.reply(stranger)
        changed = await world.members[MEMBER].slash(handle, "story rating", rating="teen")
        assert "rated teen" in await world.reply(changed)
        await world.members[MEMBER].send(handle, "and a castle")
        await world.answered(thread, 2)
        assert "The story is rated teen" in engine.requests[1].messages[0][1]

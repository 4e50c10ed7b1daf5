"""Threads: started from messages and without, archived, locked, renamed, deleted."""

from __future__ import annotations

import discord as library
import pytest

from tests.discord_server import ClientRefusedError, DiscordServer, Permission
from tests.discord_server.state.records import ChannelType

from .conftest import Api, Connect, Scene


@pytest.fixture(autouse=True)
def no_limits(discord: DiscordServer) -> None:
    discord.limits.switch_off()


async def test_a_thread_on_a_message_has_its_id(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    asked = await scene.alice.send(scene.channel, "write about dragons")
    await discord.wait_for(lambda: bot.heard)
    thread = await bot.heard[0].create_thread(name="dragons", auto_archive_duration=1440)
    view = scene.channel.threads[0]
    assert thread.id == asked.id == view.id
    assert view.owner_id == bot.application_id
    assert asked.flags & 1 << 5
    assert [m.type for m in view.messages] == [21]
    await thread.send("Once")
    assert view.written[0].content == "Once"
    await discord.wait_for(lambda: bot.seen.count("thread_create") == 1)
    with pytest.raises(library.HTTPException) as existing:
        await bot.heard[0].create_thread(name="again")
    assert existing.value.code == 160004


async def test_threads_without_a_message(scene: Scene, connect: Connect) -> None:
    bot = await connect()
    channel = bot.get_channel(scene.channel.id)
    assert isinstance(channel, library.TextChannel)
    public = await channel.create_thread(name="open", type=library.ChannelType.public_thread)
    private = await channel.create_thread(name="closed", invitable=False)
    assert [t.type for t in scene.channel.threads] == [ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD]
    assert [(m.type, m.content) for m in scene.channel.messages] == [(18, "open")]
    with pytest.raises(ClientRefusedError):
        await scene.alice.send(scene.channel.threads[1], "may I?")
    await private.add_user(library.Object(scene.alice.id))
    await scene.alice.send(scene.channel.threads[1], "thanks")
    active = await channel.guild.active_threads()
    assert {thread.id for thread in active} == {public.id, private.id}
    assert {member.id for member in await private.fetch_members()} == {bot.application_id, scene.alice.id}


async def test_archived_threads_take_no_edits_but_wake_for_messages(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    channel = bot.get_channel(scene.channel.id)
    assert isinstance(channel, library.TextChannel)
    thread = await channel.create_thread(name="tale", type=library.ChannelType.public_thread)
    view = scene.channel.threads[0]
    sent = await thread.send("one")
    discord.clock.advance(86_400)
    assert view.archived
    with pytest.raises(library.HTTPException) as archived:
        await sent.edit(content="late")
    assert (archived.value.status, archived.value.code) == (400, 50083)
    with pytest.raises(library.HTTPException) as archived:
        await sent.add_reaction("👍")
    assert archived.value.code == 50083
    found = [t.id async for t in channel.archived_threads()]
    assert found == [thread.id]
    await thread.send("three")
    assert not view.archived
    await sent.edit(content="in time")


async def test_locked_threads_are_for_moderators(
    scene: Scene, connect: Connect, discord: DiscordServer
) -> None:
    moderator = scene.guild.add_member("mod", permissions=Permission.MANAGE_THREADS)
    scene.guild.set_bot_permissions(Permission.MANAGE_THREADS)
    bot = await connect()
    view = await scene.alice.start_thread(scene.channel, "tale")
    thread = await bot.fetch_channel(view.id)
    assert isinstance(thread, library.Thread)
    sent = await thread.send("one")
    with pytest.raises(ClientRefusedError):
        await scene.alice.lock(view)
    await moderator.lock(view)
    await discord.wait_for(lambda: "thread_update" in bot.seen)
    with pytest.raises(ClientRefusedError, match="160005"):
        await scene.alice.send(view, "please")
    await sent.edit(content="the bot moderates")
    scene.guild.set_bot_permissions(0)
    for act in (thread.send("two"), sent.edit(content="no more")):
        with pytest.raises(library.HTTPException) as locked:
            await act
        assert locked.value.code == 160005


async def test_starters_rename_and_archive_their_threads(scene: Scene, connect: Connect) -> None:
    bot = await connect()
    channel = bot.get_channel(scene.channel.id)
    assert isinstance(channel, library.TextChannel)
    thread = await channel.create_thread(name="tale", type=library.ChannelType.public_thread)
    view = scene.channel.threads[0]
    await thread.edit(name="a better name")
    assert view.name == "a better name"
    assert [m.content for m in view.messages if m.type == 4] == ["a better name"]
    await thread.edit(archived=True)
    assert view.archived
    with pytest.raises(library.Forbidden):
        await thread.edit(locked=True, archived=False)


async def test_the_bot_hears_of_deleted_threads_and_channels(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    view = await scene.alice.start_thread(scene.channel, "tale")
    thread = await bot.fetch_channel(view.id)
    assert isinstance(thread, library.Thread)
    view.delete()
    await discord.wait_for(lambda: "raw_thread_delete" in bot.seen)
    assert view.deleted
    with pytest.raises(library.NotFound) as unknown:
        await thread.send("anybody?")
    assert unknown.value.code == 10003
    scene.channel.delete()
    await discord.wait_for(lambda: "guild_channel_delete" in bot.seen)


async def test_membership_is_told_and_mentions_bring_people_in(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bella = scene.guild.add_member("bella")
    bot = await connect()
    view = await scene.alice.start_thread(scene.channel, "tale")
    assert view.member_ids == {scene.alice.id}
    await scene.alice.send(view, f"come, {bella.mention}")
    assert view.member_ids == {scene.alice.id, bella.id}
    await bella.leave_thread(view)
    assert view.member_ids == {scene.alice.id}
    await discord.wait_for(lambda: "raw_thread_member_remove" in bot.seen)
    thread = await bot.fetch_channel(view.id)
    assert isinstance(thread, library.Thread)
    await thread.join()
    assert bot.application_id in view.member_ids


async def test_forum_posts_begin_with_a_message(scene: Scene, connect: Connect) -> None:
    forum_view = scene.guild.create_forum("stories")
    bot = await connect()
    forum = bot.get_channel(forum_view.id)
    assert isinstance(forum, library.ForumChannel)
    post = await forum.create_thread(name="A dragon", content="Once")
    assert post.message.content == "Once"
    assert forum_view.threads[0].written[0].content == "Once"


async def test_wrong_threads_are_refused(scene: Scene, api: Api) -> None:
    path = f"/channels/{scene.channel.id}/threads"
    long = await api("POST", path, {"name": "x" * 101, "type": 11, "auto_archive_duration": 7})
    assert long.code == 50035
    assert set(long.body["errors"]) == {"name", "auto_archive_duration"}
    scene.guild.set_everyone_permissions(Permission.VIEW_CHANNEL)
    scene.guild.set_bot_permissions(0)
    assert (await api("POST", path, {"name": "x", "type": 11})).code == 50013

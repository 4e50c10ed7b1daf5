"""What the bot may and may not do, with Discord's codes; guilds joined and left."""

from __future__ import annotations

import discord as library
import pytest

from tests.discord_server import ClientRefusedError, DiscordServer, Permission

from .conftest import Api, Connect, Scene

TALK = Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES | Permission.READ_MESSAGE_HISTORY


async def test_missing_access_and_missing_permissions_differ(scene: Scene, api: Api) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    scene.channel.set_overwrite(scene.guild, deny=Permission.SEND_MESSAGES)
    assert (await api("POST", path, {"content": "x"})).code == 50013
    scene.channel.set_overwrite(scene.guild, deny=Permission.VIEW_CHANNEL)
    unseen = await api("POST", path, {"content": "x"})
    assert (unseen.status, unseen.code, unseen.body["message"]) == (403, 50001, "Missing Access")


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"embeds": [{"title": "t"}]}, Permission.EMBED_LINKS),
        ({"content": "x", "tts": True}, Permission.SEND_TTS_MESSAGES),
    ],
)
async def test_parts_of_messages_need_permissions_of_their_own(
    scene: Scene, api: Api, body: object, missing: Permission
) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    scene.guild.set_bot_permissions(0)
    scene.guild.set_everyone_permissions(TALK)
    assert (await api("POST", path, body)).code == 50013
    scene.guild.set_everyone_permissions(TALK | missing)
    assert (await api("POST", path, body)).status == 200


async def test_history_is_empty_without_the_right_to_read_it(scene: Scene, api: Api) -> None:
    message = await scene.alice.send(scene.channel, "past")
    path = f"/channels/{scene.channel.id}/messages"
    scene.channel.set_overwrite(scene.guild, deny=Permission.READ_MESSAGE_HISTORY)
    assert (await api("GET", path)).body == []
    assert (await api("GET", f"{path}/{message.id}")).code == 50013
    reply = {"content": "x", "message_reference": {"message_id": str(message.id)}}
    assert (await api("POST", path, reply)).code == 160002


async def test_messages_of_others_are_only_moderated(scene: Scene, api: Api) -> None:
    message = await scene.alice.send(scene.channel, "mine")
    path = f"/channels/{scene.channel.id}/messages/{message.id}"
    assert (await api("PATCH", path, {"content": "ours"})).code == 50005
    assert (await api("DELETE", path)).code == 50013
    scene.guild.set_bot_permissions(Permission.MANAGE_MESSAGES)
    assert (await api("DELETE", path)).status == 204


async def test_overwrites_of_members_beat_those_of_roles(scene: Scene) -> None:
    role = scene.guild.create_role("quiet")
    scene.alice.set_roles(role)
    scene.channel.set_overwrite(role, deny=Permission.SEND_MESSAGES)
    with pytest.raises(ClientRefusedError, match="50013"):
        await scene.alice.send(scene.channel, "x")
    scene.channel.set_overwrite(scene.alice, allow=Permission.SEND_MESSAGES)
    await scene.alice.send(scene.channel, "x")


async def test_members_do_only_what_they_may(scene: Scene, discord: DiscordServer) -> None:
    bella = scene.guild.add_member("bella")
    message = await scene.alice.send(scene.channel, "mine")
    for act in (bella.edit(message, "ours"), bella.delete(message)):
        with pytest.raises(ClientRefusedError):
            await act
    stranger = discord.user("stranger")
    with pytest.raises(ClientRefusedError, match="50001"):
        await stranger.send(scene.channel, "let me in")


async def test_the_bot_cannot_write_to_channels_without_text(scene: Scene, api: Api) -> None:
    forum = scene.guild.create_forum("stories")
    assert (await api("POST", f"/channels/{forum.id}/messages", {"content": "x"})).code == 50008
    assert (await api("POST", "/channels/1/messages", {"content": "x"})).code == 10003
    assert (await api("POST", "/channels/text/messages", {"content": "x"})).code == 50035


async def test_joining_and_leaving_guilds(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    later = discord.create_guild("Later")
    await discord.wait_for(lambda: bot.get_guild(later.id))
    later.remove_bot()
    await discord.wait_for(lambda: bot.get_guild(later.id) is None)
    assert "guild_remove" in bot.seen
    with pytest.raises(library.Forbidden) as forbidden:
        await bot.fetch_guild(later.id)
    assert forbidden.value.code == 50001
    later.add_bot()
    await discord.wait_for(lambda: bot.get_guild(later.id))
    guild = bot.get_guild(scene.guild.id)
    assert guild is not None
    await guild.leave()
    await discord.wait_for(lambda: discord.application.bot_id not in scene.guild.member_ids)


async def test_members_come_change_and_go(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    bella = scene.guild.add_member("bella")
    bella.set_roles(scene.guild.create_role("readers"))
    bella.leave()
    await discord.wait_for(lambda: "member_remove" in bot.seen)
    events = ["member_join", "guild_role_create", "member_update", "member_remove"]
    assert [event for event in bot.seen if event in events] == events
    guild = bot.get_guild(scene.guild.id)
    assert guild is not None
    assert [m.name for m in await guild.query_members("ali")] == ["alice"]
    assert (await guild.fetch_member(scene.alice.id)).name == "alice"
    assert {m.name async for m in guild.fetch_members()} == {"owner", "fabler", "alice"}
    assert {c.name for c in await guild.fetch_channels()} == {"fan-fiction"}
    await guild.me.edit(nick="Storyteller")
    await discord.wait_for(lambda: guild.me.nick == "Storyteller")


async def test_the_application_tells_owner_and_intents(discord: DiscordServer, connect: Connect) -> None:
    bella = discord.user("bella")
    discord.application.set_owner(bella.id)
    bot = await connect()
    information = await bot.application_info()
    assert information.owner.id == bella.id
    assert information.flags.gateway_message_content_limited

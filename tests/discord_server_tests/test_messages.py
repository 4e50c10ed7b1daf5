"""Sending, editing, deleting, history, reactions, pins: through the library and as bare HTTP."""

from __future__ import annotations

import io

import aiohttp
import discord as library
import pytest

from tests.discord_server import DiscordServer, File, Permission

from .conftest import Api, Connect, Scene


@pytest.fixture(autouse=True)
def no_limits(discord: DiscordServer) -> None:
    discord.limits.switch_off()


async def test_a_message_is_sent_edited_and_deleted(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    channel = bot.get_channel(scene.channel.id)
    assert isinstance(channel, library.TextChannel)
    sent = await channel.send("  one  ")
    message = scene.channel.messages[0]
    assert message.content == sent.content == "one"
    assert message.author == discord.bot
    await sent.edit(content="two")
    await sent.edit(content="three", embed=library.Embed(title="E"))
    assert [v.content for v in message.versions] == ["one", "two", "three"]
    assert message.embeds == [{"type": "rich", "title": "E"}]
    assert message.edited_at is not None
    assert message.edits[-1].time == message.edited_at
    await sent.delete()
    assert message.deleted
    assert scene.channel.messages == []
    with pytest.raises(library.NotFound) as unknown:
        await sent.edit(content="four")
    assert unknown.value.code == 10008


async def test_the_bot_hears_what_members_do(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    message = await scene.alice.send(scene.channel, "hello", files=[File("notes.txt", b"read me")])
    await discord.wait_for(lambda: bot.heard)
    heard = bot.heard[0]
    assert (heard.content, heard.author.display_name) == ("hello", "Alice")
    assert await heard.attachments[0].read() == b"read me"
    await scene.alice.edit(message, "hello again")
    await scene.alice.react(message, "👍")
    await scene.alice.unreact(message, "👍")
    await scene.alice.type(scene.channel)
    await scene.alice.delete(message)
    await discord.wait_for(lambda: "raw_message_delete" in bot.seen)
    events = [
        "raw_message_edit",
        "raw_reaction_add",
        "raw_reaction_remove",
        "raw_typing",
        "raw_message_delete",
    ]
    assert [event for event in bot.seen if event in events] == events


async def test_history_pages_in_both_directions(scene: Scene, connect: Connect) -> None:
    bot = await connect()
    sent = [await scene.alice.send(scene.channel, str(number)) for number in range(7)]
    channel = bot.get_channel(scene.channel.id)
    assert isinstance(channel, library.TextChannel)
    assert [m.content async for m in channel.history(limit=3)] == ["6", "5", "4"]
    after = library.Object(sent[3].id)
    assert [m.content async for m in channel.history(after=after)] == ["4", "5", "6"]
    before = library.Object(sent[2].id)
    assert [m.content async for m in channel.history(before=before)] == ["1", "0"]
    assert (await channel.fetch_message(sent[5].id)).content == "5"


async def test_a_nonce_makes_sending_idempotent(discord: DiscordServer, scene: Scene, api: Api) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    body = {"content": "once", "nonce": "delivery-1", "enforce_nonce": True}
    first, second = await api("POST", path, body), await api("POST", path, body)
    assert first.body["id"] == second.body["id"]
    assert first.body["nonce"] == "delivery-1"
    assert len(scene.channel.messages) == 1
    other = scene.guild.create_text_channel("other")
    third = await api("POST", f"/channels/{other.id}/messages", body)
    assert third.body["id"] != first.body["id"]
    unenforced = await api("POST", path, {"content": "twice", "nonce": "delivery-1"})
    assert unenforced.body["id"] != first.body["id"]
    discord.clock.advance(301)
    later = await api("POST", path, body)
    assert later.body["id"] not in (first.body["id"], unenforced.body["id"])


async def test_the_library_sends_the_nonce_with_enforcement(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    channel = bot.get_partial_messageable(scene.channel.id)
    sent = [await channel.send("same", nonce="n1") for _ in range(2)]
    assert sent[0].id == sent[1].id
    assert discord.requests[-1].body["enforce_nonce"] is True


async def test_files_are_stored_described_and_served(scene: Scene, connect: Connect) -> None:
    bot = await connect()
    channel = bot.get_partial_messageable(scene.channel.id)
    image = library.File(io.BytesIO(b"\x89PNG"), "loss.png", description="loss curve")
    text = library.File(io.BytesIO("日本".encode()), "story.md")
    embed = library.Embed(title="Run").set_image(url="attachment://loss.png")
    sent = await channel.send(files=[image, text], embed=embed)
    stored = scene.channel.messages[0].attachments
    assert [(a.filename, a.data, a.description) for a in stored] == [
        ("loss.png", b"\x89PNG", "loss curve"),
        ("story.md", "日本".encode(), None),
    ]
    assert [a.filename for a in sent.attachments] == ["story.md"]
    assert str(sent.embeds[0].image.url).startswith("http://127.0.0.1")
    assert (await sent.attachments[0].read()).decode() == "日本"
    fresh = library.File(io.BytesIO(b"new"), "new.txt")
    edited = await sent.edit(content="kept", attachments=[sent.attachments[0], fresh])
    assert [a.filename for a in edited.attachments] == ["story.md", "new.txt"]


async def test_multipart_without_payload_json_is_refused_as_empty(scene: Scene, api: Api) -> None:
    form = aiohttp.FormData()
    form.add_field("something", "else", content_type="text/plain")
    answer = await api.form(f"/channels/{scene.channel.id}/messages", form)
    assert (answer.status, answer.code) == (400, 50006)


async def test_who_is_pinged_follows_allowed_mentions(discord: DiscordServer, scene: Scene, api: Api) -> None:
    role = scene.guild.create_role("readers")
    text = f"@everyone {role.mention} {scene.alice.mention}"
    path = f"/channels/{scene.channel.id}/messages"

    async def pings(**extra: object) -> tuple[bool, bool, bool]:
        await api("POST", path, {"content": text, **extra})
        found = scene.channel.messages[-1].pings
        return found.everyone, role.id in found.roles, scene.alice.id in found.users

    assert await pings() == (True, True, True)
    assert await pings(allowed_mentions={"parse": []}) == (False, False, False)
    assert await pings(allowed_mentions={"parse": ["users"]}) == (False, False, True)
    assert await pings(allowed_mentions={"users": [str(scene.alice.id)]}) == (False, False, True)
    scene.guild.set_bot_permissions(0)
    assert await pings() == (False, False, True)


async def test_an_edit_can_ping_as_well(scene: Scene, api: Api) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    sent = await api("POST", path, {"content": "quiet", "allowed_mentions": {"parse": []}})
    message = scene.channel.messages[0]
    assert not message.pings
    await api("PATCH", f"{path}/{sent.body['id']}", {"content": "@here"})
    assert message.mention_everyone
    await api("PATCH", f"{path}/{sent.body['id']}", {"content": "@here", "allowed_mentions": {"parse": []}})
    assert not message.mention_everyone
    assert message.pings


async def test_replies_ping_their_author_unless_told_otherwise(
    scene: Scene, api: Api, connect: Connect
) -> None:
    bot = await connect()
    asked = await scene.alice.send(scene.channel, "well?")
    channel = bot.get_partial_messageable(scene.channel.id)
    await channel.send("quiet", reference=channel.get_partial_message(asked.id))
    answer = scene.channel.messages[-1]
    assert answer.replies_to == asked
    assert not answer.pings
    body = {"content": "loud", "message_reference": {"message_id": str(asked.id)}}
    await api("POST", f"/channels/{scene.channel.id}/messages", body)
    assert scene.channel.messages[-1].pings.users == {scene.alice.id}


async def test_reactions_are_added_listed_and_cleared(scene: Scene, connect: Connect, api: Api) -> None:
    bot = await connect()
    asked = await scene.alice.send(scene.channel, "well?")
    await scene.alice.react(asked, "▶")
    channel = bot.get_partial_messageable(scene.channel.id)
    message = await channel.fetch_message(asked.id)
    await message.add_reaction("▶")
    await message.add_reaction("1️⃣")
    assert asked.reactions == {"▶": [scene.alice.id, bot.application_id], "1️⃣": [bot.application_id]}
    message = await channel.fetch_message(asked.id)
    assert {user.name async for user in message.reactions[0].users()} == {"fabler", "alice"}
    await message.remove_reaction("1️⃣", library.Object(bot.application_id or 0))
    assert list(asked.reactions) == ["▶"]
    with pytest.raises(library.HTTPException) as unknown:
        await message.add_reaction("not an emoji")
    assert unknown.value.code == 10014
    with pytest.raises(library.Forbidden):
        await message.clear_reactions()
    scene.guild.set_bot_permissions(Permission.MANAGE_MESSAGES)
    await message.clear_reactions()
    assert asked.reactions == {}


async def test_pins_come_newest_first(scene: Scene, connect: Connect) -> None:
    scene.guild.set_bot_permissions(Permission.PIN_MESSAGES)
    bot = await connect()
    channel = bot.get_partial_messageable(scene.channel.id)
    sent = [await channel.send(text) for text in ("a", "b")]
    for message in sent:
        await message.pin()
    assert [m.content async for m in channel.pins()] == ["b", "a"]
    await sent[1].unpin()
    assert [m.pinned for m in scene.channel.written] == [True, False]


async def test_bulk_delete_takes_many_at_once(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    scene.guild.set_bot_permissions(Permission.MANAGE_MESSAGES)
    bot = await connect()
    sent = [await scene.alice.send(scene.channel, str(number)) for number in range(4)]
    channel = bot.get_channel(scene.channel.id)
    assert isinstance(channel, library.TextChannel)
    await channel.delete_messages([library.Object(message.id) for message in sent[:3]])
    assert [m.content for m in scene.channel.messages] == ["3"]
    await discord.wait_for(lambda: "raw_bulk_message_delete" in bot.seen)


async def test_direct_messages_with_the_bot(discord: DiscordServer, connect: Connect) -> None:
    bot = await connect()
    bella = discord.user("bella", locale="ko")
    await bella.send(bella.direct_messages, "psst")
    await discord.wait_for(lambda: bot.heard)
    assert isinstance(bot.heard[0].channel, library.DMChannel)
    await bot.heard[0].author.send("yes?")
    assert bella.direct_messages.messages[-1].content == "yes?"

"""Rate limits: their headers and bodies, and a story that gets through them whole."""

from __future__ import annotations

import asyncio

import discord as library
import pytest

from tests.discord_server import DiscordServer, Permission

from .conftest import Api, Connect, Scene


async def test_every_answer_states_its_bucket(scene: Scene, api: Api) -> None:
    path = f"/channels/{scene.channel.id}/messages"
    answers = [await api("POST", path, {"content": str(n)}) for n in range(5)]
    assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["4", "3", "2", "1", "0"]
    first = answers[0].headers
    assert first["X-RateLimit-Limit"] == "5"
    assert 4.5 < float(first["X-RateLimit-Reset-After"]) <= 5.0
    assert float(first["X-RateLimit-Reset"]) > 1_700_000_000
    assert len(first["X-RateLimit-Bucket"]) == 32
    assert "X-RateLimit-Scope" not in first
    over = await api("POST", path, {"content": "too many"})
    assert over.status == 429
    assert over.body["message"] == "You are being rate limited."
    assert over.body["global"] is False
    assert 0 < over.body["retry_after"] <= 5
    assert over.headers["Retry-After"] == "5"
    assert over.headers["X-RateLimit-Scope"] == "user"
    assert over.headers["X-RateLimit-Remaining"] == "0"
    assert over.headers["X-RateLimit-Bucket"] == first["X-RateLimit-Bucket"]
    assert over.headers["Via"]
    assert "X-RateLimit-Global" not in over.headers


async def test_buckets_are_per_channel_and_empty_with_time(
    discord: DiscordServer, scene: Scene, api: Api
) -> None:
    other = scene.guild.create_text_channel("other")
    discord.limits.set("message-create", 1, 5.0)
    path = f"/channels/{scene.channel.id}/messages"
    assert (await api("POST", path, {"content": "x"})).status == 200
    assert (await api("POST", path, {"content": "x"})).status == 429
    elsewhere = await api("POST", f"/channels/{other.id}/messages", {"content": "x"})
    assert elsewhere.status == 200
    discord.clock.advance(5)
    assert (await api("POST", path, {"content": "x"})).status == 200


async def test_the_global_limit_spares_interactions(discord: DiscordServer, api: Api) -> None:
    discord.limits.set_global(3)
    answers = [await api("GET", "/users/@me") for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 429]
    over = answers[3]
    assert over.body["global"] is True
    assert over.headers["X-RateLimit-Global"] == "true"
    assert over.headers["X-RateLimit-Scope"] == "global"
    assert "X-RateLimit-Bucket" not in over.headers
    assert (await api("POST", "/interactions/1/x/callback", {"type": 4})).status == 404


async def test_a_story_streams_through_its_bucket_without_loss(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    discord.limits.set("message-edit", 2, 0.3)
    bot = await connect()
    await bot.tell(bot.get_partial_messageable(scene.channel.id), "Story:")
    story = scene.channel.messages[0]
    assert story.content == "Story: " + " ".join(bot.words) + "."
    assert len(story.edits) == 12
    assert discord.requests.with_status(429).to("PATCH /channels/*/messages/*") == []


async def test_real_429s_are_waited_out_without_loss(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    discord.limits.set("message-edit", 100, 5.0)
    bot = await connect()
    discord.limits.set_global(10)
    channels = [scene.guild.create_text_channel(f"c{n}") for n in range(2)]
    await asyncio.gather(*(bot.tell(bot.get_partial_messageable(c.id), "Story:") for c in channels))
    for channel in channels:
        assert channel.messages[0].content == "Story: " + " ".join(bot.words) + "."
        assert len(channel.messages[0].edits) == 12
    refused = discord.requests.with_status(429)
    assert refused
    assert all(request.response["global"] for request in refused)


async def test_a_shared_429_is_not_counted_as_invalid(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    before = discord.limits.invalid_requests
    discord.faults.next("POST /channels/*/messages", status=429, retry_after=0.05, scope="shared")
    await bot.get_partial_messageable(scene.channel.id).send("through")
    assert [m.content for m in scene.channel.messages] == ["through"]
    assert discord.limits.invalid_requests == before
    discord.faults.next("POST /channels/*/messages", status=429, retry_after=0.05)
    await bot.get_partial_messageable(scene.channel.id).send("again")
    assert discord.limits.invalid_requests == before + 1


async def test_old_messages_have_an_edit_limit_of_their_own(
    discord: DiscordServer, scene: Scene, connect: Connect, api: Api
) -> None:
    bot = await connect()
    discord.limits.set_old_edits(2, 0.3)
    discord.limits.set("message-edit", 20, 5.0)
    sent = await bot.get_partial_messageable(scene.channel.id).send("old")
    discord.clock.advance(3601)
    path = f"/channels/{scene.channel.id}/messages/{sent.id}"
    for number in range(2):
        assert (await api("PATCH", path, {"content": str(number)})).status == 200
    over = await api("PATCH", path, {"content": "over"})
    assert (over.status, over.code) == (429, 30046)
    assert over.body["message"].startswith("Maximum number of edits to messages older than 1 hour")
    assert int(over.headers["X-RateLimit-Remaining"]) > 0
    await sent.edit(content="waited")
    assert scene.channel.messages[0].content == "waited"


async def test_renaming_has_a_slow_limit_of_its_own(discord: DiscordServer, scene: Scene, api: Api) -> None:
    scene.guild.set_bot_permissions(Permission.MANAGE_THREADS)
    thread = await scene.alice.start_thread(scene.channel, "tale")
    path = f"/channels/{thread.id}"
    answers = [await api("PATCH", path, {"name": f"tale {n}"}) for n in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert answers[2].body["retry_after"] > 500


async def test_too_many_invalid_requests_bring_a_ban(
    discord: DiscordServer, connect: Connect, api: Api
) -> None:
    bot = await connect()
    discord.limits.set_invalid(3)
    for _ in range(3):
        assert (await api("GET", "/users/@me", token="wrong")).status == 401
    banned = await api("GET", "/users/@me")
    assert banned.status == 429
    assert banned.body == "error code: 1015"
    assert not banned.headers["Via"]
    with pytest.raises(library.HTTPException) as raised:
        await bot.fetch_user(bot.application_id or 0)
    assert raised.value.status == 429
    discord.clock.advance(600)
    assert (await api("GET", "/users/@me")).status == 200


async def test_limits_can_be_watched_through_the_librarys_trace(
    scene: Scene, discord: DiscordServer, connect: Connect
) -> None:
    import aiohttp

    seen: list[str] = []

    async def ended(_: object, __: object, parameters: aiohttp.TraceRequestEndParams) -> None:
        seen.append(parameters.response.headers.get("X-RateLimit-Remaining", "-"))

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(ended)
    bot = await connect(http_trace=trace)
    seen.clear()
    await bot.get_partial_messageable(scene.channel.id).send("x")
    assert seen == ["4"]

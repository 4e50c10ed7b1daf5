"""Faults on demand, and what is not served: both seen by the bot and told to the test."""

from __future__ import annotations

import time

import aiohttp
import discord as library
import pytest

from tests.discord_server import DiscordServer, UnexpectedTraffic

from .conftest import Api, Connect, Scene


@pytest.mark.parametrize("status", [500, 502])
async def test_server_errors_are_tried_again(
    discord: DiscordServer, scene: Scene, connect: Connect, status: int
) -> None:
    bot = await connect()
    discord.faults.next("POST /channels/*/messages", status=status)
    await bot.get_partial_messageable(scene.channel.id).send("through")
    assert [m.content for m in scene.channel.messages] == ["through"]
    tried = discord.requests.to("POST /channels/{channel_id}/messages")
    assert [(request.status, request.fault) for request in tried] == [(status, True), (200, False)]
    assert tried[1].time - tried[0].time > 0.9


async def test_slow_answers_cut_lines_and_skipped_requests(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    channel = bot.get_partial_messageable(scene.channel.id)
    discord.faults.next("POST /channels/*/messages", delay=0.2)
    began = time.monotonic()
    await channel.send("slow")
    assert time.monotonic() - began > 0.2
    discord.faults.next("POST /channels/*/messages", cut=True, skip=1)
    await channel.send("passed over")
    with pytest.raises(aiohttp.ClientError):
        await channel.send("cut")
    assert [m.content for m in scene.channel.messages] == ["slow", "passed over"]
    assert discord.requests[-1].status == 0


async def test_a_lost_answer_is_made_good_by_the_nonce(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    channel = bot.get_partial_messageable(scene.channel.id)
    discord.faults.next("POST /channels/*/messages", lose_answer=True)
    with pytest.raises(aiohttp.ClientError):
        await channel.send("once", nonce="n1")
    again = await channel.send("once", nonce="n1")
    assert [m.id for m in scene.channel.messages] == [again.id]


async def test_faults_can_be_taken_back(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    discord.faults.next("POST /channels/*/messages", status=403, times=5)
    with pytest.raises(library.Forbidden):
        await bot.get_partial_messageable(scene.channel.id).send("x")
    assert discord.faults.clear() == 1
    await bot.get_partial_messageable(scene.channel.id).send("x")


async def test_a_429_without_via_looks_like_a_ban(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    discord.faults.next("POST /channels/*/messages", status=429, via=False)
    with pytest.raises(library.HTTPException) as raised:
        await bot.get_partial_messageable(scene.channel.id).send("x")
    assert raised.value.status == 429


async def test_an_unknown_route_fails_the_test() -> None:
    with pytest.raises(UnexpectedTraffic, match="GET /guilds/1/audit-logs"):
        async with DiscordServer() as discord, aiohttp.ClientSession() as session:
            answer = await Api(discord, session)("GET", "/guilds/1/audit-logs")
            assert (answer.status, answer.code) == (501, 0)


@pytest.mark.parametrize(
    "body", [{"poll": {"question": {"text": "?"}}}, {"message_reference": {"type": 1, "message_id": "1"}}]
)
async def test_kinds_of_messages_that_are_not_served_fail_the_test(body: object) -> None:
    with pytest.raises(UnexpectedTraffic, match="message"):
        async with DiscordServer() as discord, aiohttp.ClientSession() as session:
            channel = discord.create_guild("Library").create_text_channel("c")
            answer = await Api(discord, session)("POST", f"/channels/{channel.id}/messages", body)
            assert answer.status == 501


async def test_an_unknown_route_is_noted_on_another_failure() -> None:
    with pytest.raises(ZeroDivisionError) as failed:
        async with DiscordServer() as discord, aiohttp.ClientSession() as session:
            await Api(discord, session)("GET", "/nowhere")
            raise ZeroDivisionError
    assert "GET /nowhere" in failed.value.__notes__[0]


async def test_requests_are_recorded_with_route_time_and_answer(
    discord: DiscordServer, scene: Scene, api: Api
) -> None:
    before = discord.clock.now
    await api("POST", f"/channels/{scene.channel.id}/messages", {"content": "x"})
    await api("GET", f"/channels/{scene.channel.id}/messages?limit=2")
    sent, read = discord.requests
    assert sent.route == "POST /channels/{channel_id}/messages"
    assert sent.body == {"content": "x"}
    assert sent.response["content"] == "x"
    assert before <= sent.time <= (sent.ended or 0) <= read.time
    assert read.query == {"limit": "2"}
    assert discord.requests.to("GET /channels/*/messages").to(f"/channels/{scene.channel.id}/*") == [read]
    assert discord.requests.since(read.time) == [read]
    assert discord.requests.per_second() == 2


async def test_a_condition_that_never_comes_true_shows_what_happened(
    discord: DiscordServer, scene: Scene, api: Api
) -> None:
    await api("GET", "/users/@me")
    with pytest.raises(TimeoutError, match="GET /users/@me -> 200"):
        await discord.wait_for(lambda: scene.channel.messages[0].content == "x", timeout=0.05)

"""The gateway as a bare WebSocket client meets it: handshake, codes, compression, heartbeats, replay."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.discord_server import DiscordServer, Intent

from .conftest import Api, Scene
from .raw_gateway import Gateway


async def test_rest_gives_the_address_and_the_session_start_limit(discord: DiscordServer, api: Api) -> None:
    answer = await api("GET", "/gateway/bot")
    limit = {"total": 1000, "remaining": 1000, "reset_after": 86_400_000, "max_concurrency": 1}
    assert answer.body == {"url": discord.gateway_url, "shards": 1, "session_start_limit": limit}
    assert (await api("GET", "/gateway")).body == {"url": discord.gateway_url}


@pytest.mark.parametrize("query", [{}, {"compress": "zlib-stream"}])
async def test_ready_comes_with_guilds_unavailable_and_then_each_of_them(
    scene: Scene, gateway: Gateway, query: dict[str, str]
) -> None:
    socket = await gateway(**query)
    ready = await socket.identify()
    assert ready["s"] == 1
    assert ready["d"]["guilds"] == [{"id": str(scene.guild.id), "unavailable": True}]
    guild = (await socket.next())["d"]
    assert guild["name"] == "Library"
    assert [c["name"] for c in guild["channels"]] == ["fan-fiction"]
    assert guild["member_count"] == 3
    await scene.alice.send(scene.channel, "안녕")
    assert (await socket.next("MESSAGE_CREATE"))["d"]["content"] == "안녕"


async def test_heartbeats_are_acknowledged_and_a_missed_one_closes(
    discord: DiscordServer, gateway: Gateway
) -> None:
    discord.gateway.settings(heartbeat_seconds=0.1)
    socket = await gateway()
    await socket.send(1, None)
    assert (await socket.next())["op"] == 11
    await socket.identify()
    discord.gateway.request_heartbeat()
    assert (await socket.next())["op"] == 1
    assert await socket.close_code() == 4000
    await discord.wait_for(lambda: not discord.gateway.sessions[0]["connected"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "wrong"}, 4004),
        ({"shard": [2, 2]}, 4010),
        ({"intents": 1 << 40}, 4013),
        ({"intents": None}, 4013),
    ],
)
async def test_what_is_wrong_with_an_identify_is_in_the_close_code(
    gateway: Gateway, changes: dict[str, object], code: int
) -> None:
    socket = await gateway()
    with pytest.raises(ConnectionError) as closed:
        await socket.identify(**changes)
    assert closed.value.args[0] == code


async def test_privileged_intents_must_be_switched_on(discord: DiscordServer, gateway: Gateway) -> None:
    discord.application.enable_only(Intent.GUILD_MEMBERS)
    socket = await gateway()
    with pytest.raises(ConnectionError) as closed:
        await socket.identify(intents=int(Intent.GUILDS | Intent.MESSAGE_CONTENT))
    assert closed.value.args[0] == 4014
    socket = await gateway()
    assert await socket.identify(intents=int(Intent.GUILDS | Intent.GUILD_MEMBERS))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 4002),
        ('"text"', 4002),
        (json.dumps({"op": 1, "d": "x" * 4100}), 4002),
        (json.dumps({"op": 8, "d": {}}), 4003),
    ],
)
async def test_malformed_payloads_close(gateway: Gateway, text: str, code: int) -> None:
    socket = await gateway()
    await socket.send_raw(text)
    assert await socket.close_code() == code


async def test_unknown_opcodes_close_and_are_reported(discord: DiscordServer, gateway: Gateway) -> None:
    socket = await gateway()
    await socket.identify()
    await socket.send(99, None)
    assert await socket.close_code() == 4001
    assert discord.unexpected == ["gateway opcode 99"]
    discord.forgive()


async def test_identifying_twice_closes(gateway: Gateway) -> None:
    socket = await gateway()
    await socket.identify()
    await socket.send(2, {})
    assert await socket.close_code() == 4005


async def test_too_many_payloads_close(gateway: Gateway) -> None:
    socket = await gateway()
    for _ in range(121):
        await socket.send(1, None)
    assert await socket.close_code() == 4008


async def test_an_old_version_is_refused(discord: DiscordServer) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{discord.gateway_url}?v=6") as socket:
        await socket.receive()
        assert socket.close_code == 4012


async def test_identifying_too_often_is_an_invalid_session(discord: DiscordServer, gateway: Gateway) -> None:
    discord.gateway.settings(identify_seconds=5.0)
    await (await gateway()).identify()
    socket = await gateway()
    await socket.send(2, {"token": discord.bot_token, "intents": 1})
    assert await socket.next() == {"op": 9, "d": False, "s": None, "t": None}
    discord.clock.advance(5)
    assert await socket.identify()


async def test_resume_replays_what_was_missed_in_order(
    discord: DiscordServer, scene: Scene, gateway: Gateway
) -> None:
    socket = await gateway()
    ready = await socket.identify()
    last = (await socket.next("GUILD_CREATE"))["s"]
    discord.gateway.drop()
    for number in range(3):
        await scene.alice.send(scene.channel, str(number))
    again = await gateway(compress="zlib-stream")
    await again.resume(ready["d"]["session_id"], last)
    resumed = await again.next("RESUMED")
    texts = [p["d"]["content"] for p in again.heard if p["t"] == "MESSAGE_CREATE"]
    assert texts == ["0", "1", "2"]
    numbers = [p["s"] for p in again.heard if p["s"]]
    assert numbers == list(range(last + 1, last + 1 + len(numbers)))
    assert numbers[-1] == resumed["s"]


async def test_a_session_ends_when_it_is_closed_orderly_or_too_old(
    discord: DiscordServer, gateway: Gateway
) -> None:
    for end in ("closed", "old"):
        socket = await gateway()
        session = (await socket.identify())["d"]["session_id"]
        await socket.close(1000 if end == "closed" else 4000)
        await discord.wait_for(lambda: not any(s["connected"] for s in discord.gateway.sessions))
        if end == "old":
            discord.clock.advance(200)
        again = await gateway()
        await again.resume(session, 1)
        answer = await again.next()
        assert (answer["op"], answer["d"]) == (9, False)


async def test_resuming_with_a_future_sequence_closes(gateway: Gateway) -> None:
    socket = await gateway()
    session = (await socket.identify())["d"]["session_id"]
    again = await gateway()
    await again.resume(session, 500)
    assert await again.close_code() == 4007


async def test_intents_decide_which_events_come(scene: Scene, gateway: Gateway) -> None:
    socket = await gateway()
    await socket.identify(intents=int(Intent.GUILDS | Intent.GUILD_MESSAGE_REACTIONS))
    message = await scene.alice.send(scene.channel, "unheard")
    await scene.alice.react(message, "👍")
    await socket.next("MESSAGE_REACTION_ADD")
    assert "MESSAGE_CREATE" not in [p["t"] for p in socket.heard]


async def test_content_is_withheld_without_its_intent(
    discord: DiscordServer, scene: Scene, gateway: Gateway, api: Api
) -> None:
    discord.application.enable_only(Intent.GUILD_MEMBERS)
    socket = await gateway()
    await socket.identify(intents=int(Intent.GUILDS | Intent.GUILD_MESSAGES | Intent.DIRECT_MESSAGES))
    secret = await scene.alice.send(scene.channel, "secret")
    assert (await socket.next("MESSAGE_CREATE"))["d"]["content"] == ""
    await scene.alice.send(scene.channel, f"open {discord.bot.mention}")
    assert (await socket.next("MESSAGE_CREATE"))["d"]["content"].startswith("open")
    await scene.alice.send(scene.alice.direct_messages, "between us")
    assert (await socket.next("MESSAGE_CREATE"))["d"]["content"] == "between us"
    own = await api("POST", f"/channels/{scene.channel.id}/messages", {"content": "my own"})
    assert own.body["content"] == "my own"
    assert (await socket.next("MESSAGE_CREATE"))["d"]["content"] == "my own"
    path = f"/channels/{scene.channel.id}/messages/{secret.id}"
    assert (await api("GET", path)).body["content"] == ""


async def test_members_are_requested_in_chunks(scene: Scene, gateway: Gateway) -> None:
    for number in range(1000):
        scene.guild.add_member(f"reader{number}")
    socket = await gateway()
    await socket.identify(intents=1)
    await socket.send(8, {"guild_id": str(scene.guild.id), "query": "reader", "limit": 0, "nonce": "n"})
    chunks = [(await socket.next("GUILD_MEMBERS_CHUNK"))["d"]]
    assert (chunks[0]["chunk_count"], chunks[0]["nonce"], len(chunks[0]["members"])) == (1, "n", 1000)
    await socket.send(8, {"guild_id": str(scene.guild.id), "user_ids": [str(scene.alice.id), "1"]})
    found = (await socket.next("GUILD_MEMBERS_CHUNK"))["d"]
    assert [m["user"]["username"] for m in found["members"]] == ["alice"]
    assert found["not_found"] == ["1"]
